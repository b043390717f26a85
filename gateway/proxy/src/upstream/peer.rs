//! Finds the address of an upstream and describes the connection to it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kyc_model::{Problem, ProblemKind, UpstreamBase};
use kyc_plugin_api::Target;
use moka::future::Cache;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};

/// The addresses of upstreams.
///
/// Pingora would resolve a name while blocking the thread. Here a name is looked up once for all requests
/// that wait for it, and the answer is kept for [`LIFETIME`].
#[derive(Debug)]
pub(crate) struct Peers {
    addresses: Cache<(String, u16), Arc<[SocketAddr]>>,
}

// === impl Peers ===

impl Peers {
    pub(crate) fn new() -> Self {
        Self { addresses: Cache::builder().max_capacity(1024).time_to_live(LIFETIME).build() }
    }

    /// Describes the connection for one try; each try takes the next address of the name.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::UpstreamUnreachable`] when the name has no address.
    pub(crate) async fn peer(&self, target: &Target, attempt: usize) -> Result<Box<HttpPeer>, Problem> {
        let base = &target.base;
        let address = match base.host().parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, base.port()),
            Err(_) => self.resolve(base, attempt).await?,
        };
        #[expect(clippy::disallowed_methods, reason = "given an address, it resolves nothing")]
        let mut peer = HttpPeer::new(address, base.is_tls(), base.host().to_owned());
        let timeouts = &target.timeouts;
        peer.options.connection_timeout = Some(timeouts.connect);
        peer.options.total_connection_timeout = Some(timeouts.connect);
        peer.options.read_timeout = Some(timeouts.read);
        peer.options.write_timeout = Some(timeouts.write);
        peer.options.idle_timeout = Some(timeouts.idle);
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        Ok(Box::new(peer))
    }

    async fn resolve(&self, base: &UpstreamBase, attempt: usize) -> Result<SocketAddr, Problem> {
        let unreachable = || {
            Problem::new(ProblemKind::UpstreamUnreachable, format!("cannot resolve upstream {}", base.host()))
        };
        let key = (base.host().to_owned(), base.port());
        let addresses = self
            .addresses
            .try_get_with(key, lookup(base.host(), base.port()))
            .await
            .map_err(|error: Arc<std::io::Error>| unreachable().because(std::io::Error::other(error)))?;
        let place = attempt.checked_rem(addresses.len()).ok_or_else(unreachable)?;
        addresses.get(place).copied().ok_or_else(unreachable)
    }
}

async fn lookup(host: &str, port: u16) -> std::io::Result<Arc<[SocketAddr]>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if found.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found.into())
}

/// How long an answer of the resolver is kept; the system's resolver does not tell the record's own.
const LIFETIME: Duration = Duration::from_secs(30);
