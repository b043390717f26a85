//! Where API tokens may go.

use kyc_model::{InvalidBaseUrl, UpstreamBase};

/// The hosts that a tenant's Onfido may be at. Those on this machine always may, but for the gateway's own ports: a call
/// must not come back to it, least of all to its operators' pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnfidoHosts {
    hosts: Vec<String>,
    own_ports: Vec<u16>,
}

// === impl OnfidoHosts ===

impl OnfidoHosts {
    /// These hosts, by their exact names.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        let plain = |host: String| host.trim_matches(['[', ']']).to_ascii_lowercase();
        Self { hosts: hosts.into_iter().map(plain).collect(), own_ports: Vec::new() }
    }

    /// The same without these ports of this machine.
    #[must_use]
    pub fn without_ports(self, own_ports: Vec<u16>) -> Self {
        Self { own_ports, ..self }
    }

    /// Gives the base back if a token may go there.
    pub(super) fn admit(&self, base: UpstreamBase) -> Result<UpstreamBase, InvalidBaseUrl> {
        let is_known = self.hosts.iter().any(|host| host == base.host());
        let is_another_here = base.is_local() && !self.own_ports.contains(&base.port());
        if is_another_here || (is_known && !base.is_local()) { Ok(base) } else { Err(InvalidBaseUrl::Host) }
    }
}

impl Default for OnfidoHosts {
    /// Onfido's regions (<https://documentation.onfido.com/api/latest/#regions>).
    fn default() -> Self {
        Self::new(ONFIDO.map(str::to_owned))
    }
}

/// Says whether a token would go to Onfido itself without TLS, where everybody on the way could read a live one. Other
/// hosts are the operator's own choice.
pub(super) fn is_onfido_in_clear(base: &UpstreamBase) -> bool {
    !base.is_tls() && ONFIDO.contains(&base.host())
}

const ONFIDO: [&str; 3] = ["api.eu.onfido.com", "api.us.onfido.com", "api.ca.onfido.com"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_known_hosts_and_never_back_to_the_gateway() {
        let hosts = OnfidoHosts::new(["API.eu.onfido.com".to_owned(), "[2001:db8::1]".to_owned()]);
        let hosts = hosts.without_ports(vec![9464]);
        for (url, may) in [
            ("https://api.eu.onfido.com/v3.6", true),
            ("https://API.EU.onfido.com/v3.6", true),
            ("https://[2001:db8::1]/", true),
            ("https://api.eu.onfido.com.example/", false),
            ("https://api.eu.onfido.com./", false),
            ("https://example/api.eu.onfido.com", false),
            ("http://127.0.0.1:8081/v3.6", true),
            ("http://localhost:8081/v3.6", true),
            ("http://127.0.0.1:9464/", false),
            ("http://localhost:9464/", false),
            ("http://[::1]:9464/", false),
        ] {
            assert_eq!(hosts.admit(UpstreamBase::parse(url).unwrap()).is_ok(), may, "{url}");
        }
    }

    #[test]
    fn onfidos_own_hosts_are_reached_with_tls_alone() {
        for (url, in_clear) in [
            ("https://api.eu.onfido.com/v3.6", false),
            ("http://api.eu.onfido.com/v3.6", true),
            ("HTTP://API.US.onfido.com:443", true),
            ("http://api.ca.onfido.com", true),
            ("http://localhost:8081", false),
            ("http://127.0.0.1:8081", false),
            ("http://onfido.example", false),
        ] {
            assert_eq!(is_onfido_in_clear(&UpstreamBase::parse(url).unwrap()), in_clear, "{url}");
        }
    }
}
