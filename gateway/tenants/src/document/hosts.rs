//! Where API tokens may go.

use kyc_http_client::Cleartext;
use kyc_model::{InvalidBaseUrl, UpstreamBase};

/// The hosts that a tenant's Onfido may be at. Those on this machine always may, but for the gateway's own ports: a call
/// must not come back to it, least of all to its operators' pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnfidoHosts {
    hosts: Vec<String>,
    own_ports: Vec<u16>,
    cleartext: Cleartext,
}

// === impl OnfidoHosts ===

impl OnfidoHosts {
    /// These hosts, by their exact names.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        let plain = |host: String| host.trim_matches(['[', ']']).to_ascii_lowercase();
        Self {
            hosts: hosts.into_iter().map(plain).collect(),
            own_ports: Vec::new(),
            cleartext: Cleartext::Local,
        }
    }

    /// The same without these ports of this machine.
    #[must_use]
    pub fn without_ports(self, own_ports: Vec<u16>) -> Self {
        Self { own_ports, ..self }
    }

    /// The same, where `http://` to other machines may be accepted; to Onfido itself it never is.
    #[must_use]
    pub fn with_cleartext(self, cleartext: Cleartext) -> Self {
        Self { cleartext, ..self }
    }

    /// Why no token may go to a base without TLS, where everybody on the way could read it.
    pub(super) fn in_clear(&self, base: &UpstreamBase) -> Option<&'static str> {
        if !base.is_tls() && ONFIDO.contains(&base.host()) {
            return Some(ONFIDO_IN_CLEAR);
        }
        self.cleartext.check(base.url()).is_err().then_some(IN_CLEAR)
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

const ONFIDO: [&str; 3] = ["api.eu.onfido.com", "api.us.onfido.com", "api.ca.onfido.com"];

const ONFIDO_IN_CLEAR: &str = "must begin with https://, or the API token could be read on the way";
const IN_CLEAR: &str = "must begin with https://, or the API token could be read on the way; tenants.allow_http = true permits it";

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

    /// A host of `tenants.onfido_hosts` besides Onfido's three got tokens without TLS, although nobody had allowed it.
    #[test]
    fn a_token_leaves_the_machine_without_tls_only_where_that_is_allowed() {
        let (hosts, allowed) =
            (OnfidoHosts::default(), OnfidoHosts::default().with_cleartext(Cleartext::Allowed));
        for (url, refused, refused_when_allowed) in [
            ("https://api.eu.onfido.com/v3.6", None, None),
            ("http://api.eu.onfido.com/v3.6", Some(ONFIDO_IN_CLEAR), Some(ONFIDO_IN_CLEAR)),
            ("HTTP://API.US.onfido.com:443", Some(ONFIDO_IN_CLEAR), Some(ONFIDO_IN_CLEAR)),
            ("http://api.ca.onfido.com", Some(ONFIDO_IN_CLEAR), Some(ONFIDO_IN_CLEAR)),
            ("http://localhost:8081", None, None),
            ("http://127.0.0.1:8081", None, None),
            ("http://[::1]:8081", None, None),
            ("http://onfido.example", Some(IN_CLEAR), None),
            ("http://192.0.2.7:8080", Some(IN_CLEAR), None),
            ("https://onfido.example", None, None),
        ] {
            let base = UpstreamBase::parse(url).unwrap();
            assert_eq!(
                (hosts.in_clear(&base), allowed.in_clear(&base)),
                (refused, refused_when_allowed),
                "{url}"
            );
        }
    }
}
