//! The hosts that API tokens may be sent to.
//!
//! A base URL comes from the tenant document, and the gateway sends the tenant's API token to its host. A mistyped or
//! malicious host would receive the token, so only configured hosts are accepted.

use kyc_http_client::Cleartext;
use kyc_model::{BaseUrlError, UpstreamBase};

/// The hosts that a base URL may have. This machine is always accepted, except for the gateway's own ports: a call must not
/// return to the gateway, least of all to its admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnfidoHosts {
    hosts: Vec<String>,
    own_ports: Vec<u16>,
    cleartext: Cleartext,
}

// === impl OnfidoHosts ===

impl OnfidoHosts {
    /// Accepts these hosts, by their exact names in any case.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        let plain = |host: String| host.trim_matches(['[', ']']).to_ascii_lowercase();
        Self {
            hosts: hosts.into_iter().map(plain).collect(),
            own_ports: Vec::new(),
            cleartext: Cleartext::Local,
        }
    }

    /// Refuses these ports of this machine.
    #[must_use]
    pub fn without_ports(self, own_ports: Vec<u16>) -> Self {
        Self { own_ports, ..self }
    }

    /// Sets whether `http://` to other machines is accepted; to Onfido itself it never is.
    #[must_use]
    pub fn with_cleartext(self, cleartext: Cleartext) -> Self {
        Self { cleartext, ..self }
    }

    /// Returns why a base URL without TLS is refused; `None` when it is accepted.
    pub(super) fn cleartext_problem(&self, base: &UpstreamBase) -> Option<&'static str> {
        if !base.is_tls() && ONFIDO.contains(&base.host()) {
            return Some(ONFIDO_NEEDS_TLS);
        }
        self.cleartext.check(base.url()).is_err().then_some(NEEDS_TLS)
    }

    /// Returns the base URL if its host is accepted.
    ///
    /// # Errors
    ///
    /// [`BaseUrlError::Host`] if it is not.
    pub(super) fn admit(&self, base: UpstreamBase) -> Result<UpstreamBase, BaseUrlError> {
        // A local host must pass the rule for ports even if it is configured, so `is_known` counts for other machines only.
        let is_known = self.hosts.iter().any(|host| host == base.host());
        let is_other_local_port = base.is_local() && !self.own_ports.contains(&base.port());
        if is_other_local_port || (is_known && !base.is_local()) { Ok(base) } else { Err(BaseUrlError::Host) }
    }
}

impl Default for OnfidoHosts {
    /// Onfido's regions (<https://documentation.onfido.com/api/latest/#regions>).
    fn default() -> Self {
        Self::new(ONFIDO.map(str::to_owned))
    }
}

const ONFIDO: [&str; 3] = ["api.eu.onfido.com", "api.us.onfido.com", "api.ca.onfido.com"];

const ONFIDO_NEEDS_TLS: &str =
    "must begin with https://, so that nobody on the network can read the API token";
const NEEDS_TLS: &str = "must begin with https://, so that nobody on the network can read the API token; tenants.allow_http = true permits http://";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_sent_to_accepted_hosts_only_and_never_to_the_gateway_itself() {
        let hosts = OnfidoHosts::new(["API.eu.onfido.com".to_owned(), "[2001:db8::1]".to_owned()]);
        let hosts = hosts.without_ports(vec![9464]);
        for (url, expected) in [
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
            assert_eq!(hosts.admit(UpstreamBase::parse(url).unwrap()).is_ok(), expected, "{url}");
        }
    }

    /// Regression: a host of `tenants.onfido_hosts` other than Onfido's three received tokens without TLS, although
    /// `allow_http` was not set.
    #[test]
    fn token_is_sent_without_tls_to_other_machines_only_with_allow_http() {
        let (hosts, allowed) =
            (OnfidoHosts::default(), OnfidoHosts::default().with_cleartext(Cleartext::Allowed));
        for (url, refused, refused_when_allowed) in [
            ("https://api.eu.onfido.com/v3.6", None, None),
            ("http://api.eu.onfido.com/v3.6", Some(ONFIDO_NEEDS_TLS), Some(ONFIDO_NEEDS_TLS)),
            ("HTTP://API.US.onfido.com:443", Some(ONFIDO_NEEDS_TLS), Some(ONFIDO_NEEDS_TLS)),
            ("http://api.ca.onfido.com", Some(ONFIDO_NEEDS_TLS), Some(ONFIDO_NEEDS_TLS)),
            ("http://localhost:8081", None, None),
            ("http://127.0.0.1:8081", None, None),
            ("http://[::1]:8081", None, None),
            ("http://onfido.example", Some(NEEDS_TLS), None),
            ("http://192.0.2.7:8080", Some(NEEDS_TLS), None),
            ("https://onfido.example", None, None),
        ] {
            let base = UpstreamBase::parse(url).unwrap();
            assert_eq!(
                (hosts.cleartext_problem(&base), allowed.cleartext_problem(&base)),
                (refused, refused_when_allowed),
                "{url}"
            );
        }
    }
}
