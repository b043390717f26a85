//! Describes the connection to an upstream: its address, its time limits, and the tenant that it belongs to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use kyc_model::{Problem, Tenant, UpstreamBase};
use kyc_plugin_api::Target;
use pingora::upstreams::peer::HttpPeer;

use super::resolver::Resolver;

/// The upstreams' addresses, and how they are connected to.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    resolver: Resolver,
}

// === impl Peers ===

impl Peers {
    /// Describes the connection for one try.
    ///
    /// # Errors
    ///
    /// Those of [`Resolver::address`].
    pub(crate) async fn peer(
        &self,
        target: &Target,
        tenant: Option<&Arc<Tenant>>,
    ) -> Result<Box<HttpPeer>, Problem> {
        let (base, timeouts) = (&target.base, &target.timeouts);
        // An IP address needs no resolver, and no other address can be tried instead of it.
        let address = match literal(base) {
            Some(address) => address,
            None => self.resolver.address(base, timeouts.connect).await?,
        };
        #[expect(clippy::disallowed_methods, reason = "given an address, it resolves nothing")]
        let mut peer = HttpPeer::new(address, base.is_tls(), base.host().to_owned());
        // A connection belongs to one tenant, with one credential. Should an upstream misread where a request or a response
        // ends, what follows on the connection is no other tenant's.
        peer.group_key = tenant.map_or(0, |tenant| tenant.fingerprint);
        peer.options.connection_timeout = Some(timeouts.connect);
        // The same limit for TCP alone and with TLS: an operator sets one time for "connect".
        peer.options.total_connection_timeout = Some(timeouts.connect);
        peer.options.read_timeout = Some(timeouts.read);
        peer.options.write_timeout = Some(timeouts.write);
        peer.options.idle_timeout = Some(timeouts.idle);
        Ok(Box::new(peer))
    }

    /// Notes that an address could not be connected to; returns whether the next try has another one.
    pub(crate) fn mark_failed(&self, base: &UpstreamBase, address: SocketAddr) -> bool {
        literal(base).is_none() && self.resolver.mark_failed(base, address)
    }
}

fn literal(base: &UpstreamBase) -> Option<SocketAddr> {
    let ip = base.host().parse::<IpAddr>().ok()?;
    Some(SocketAddr::new(ip, base.port()))
}
