//! Where API tokens may go.

use kyc_model::{InvalidBaseUrl, UpstreamBase};

/// The hosts that a tenant's Onfido may be at. Those on this machine always may: whoever listens there is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnfidoHosts(Vec<String>);

// === impl OnfidoHosts ===

impl OnfidoHosts {
    /// These hosts, by their exact names.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    /// Gives the base back if a token may go there.
    pub(super) fn admit(&self, base: UpstreamBase) -> Result<UpstreamBase, InvalidBaseUrl> {
        let is_known = self.0.iter().any(|host| host == base.host());
        if is_known || base.is_local() { Ok(base) } else { Err(InvalidBaseUrl::Host) }
    }
}

impl Default for OnfidoHosts {
    /// Onfido's regions (<https://documentation.onfido.com/api/latest/#regions>).
    fn default() -> Self {
        Self::new(["eu", "us", "ca"].map(|region| format!("api.{region}.onfido.com")))
    }
}
