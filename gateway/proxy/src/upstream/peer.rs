//! Builds the descriptions of upstream connections: address and time limits.

use std::net::SocketAddr;

use kyc_model::{Problem, UpstreamBase};
use kyc_plugin_api::Target;
use pingora::upstreams::peer::HttpPeer;

use super::resolver::Resolver;

/// The addresses of the upstreams, and the options of their connections.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    resolver: Resolver,
}

// === impl Peers ===

impl Peers {
    /// Returns the address for one attempt.
    ///
    /// # Errors
    ///
    /// Those of [`Resolver::address`].
    pub(crate) async fn address(&self, target: &Target) -> Result<SocketAddr, Problem> {
        match target.base.literal_address() {
            // An IP address needs no resolver, and no other address can be tried instead of it.
            Some(address) => Ok(address),
            None => self.resolver.address(&target.base, target.timeouts.connect).await,
        }
    }

    /// Records a failed connect to an address; returns whether there is another one to try.
    pub(crate) fn mark_failed(&self, base: &UpstreamBase, address: SocketAddr) -> bool {
        base.literal_address().is_none() && self.resolver.mark_failed(base, address)
    }
}

/// Describes a new connection to a target.
pub(super) fn peer(address: SocketAddr, target: &Target) -> HttpPeer {
    let (base, timeouts) = (&target.base, &target.timeouts);
    #[expect(clippy::disallowed_methods, reason = "given an address, it resolves nothing")]
    let mut peer = HttpPeer::new(address, base.is_tls(), base.host().to_owned());
    peer.options.connection_timeout = Some(timeouts.connect);
    // The same limit for TCP alone and with TLS: an operator sets one time for "connect".
    peer.options.total_connection_timeout = Some(timeouts.connect);
    peer
}
