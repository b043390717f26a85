//! The addresses of upstreams' names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use kyc_model::{Problem, ProblemKind, UpstreamBase};
use moka::future::Cache;
use tokio::time::timeout;

/// Resolves names once for all requests that wait, keeps the answer, and looks again behind the back of
/// requests: a name server that fails takes no upstream away whose address was known.
///
/// Pingora would resolve a name while blocking the thread.
#[derive(Debug)]
pub(super) struct Resolver {
    names: Cache<(String, u16), Arc<Name>>,
}

/// One name with its addresses.
#[derive(Debug)]
struct Name {
    host: String,
    port: u16,
    found: ArcSwap<Found>,
    /// The place of the address that is tried first: the last one that did not fail.
    first: AtomicUsize,
    looking: AtomicBool,
}

/// An answer of the system's resolver.
#[derive(Debug)]
struct Found {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

// === impl Resolver ===

impl Resolver {
    /// The address to try next.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::UpstreamUnreachable`] when the name has no address, [`ProblemKind::UpstreamTimeout`] when
    /// it was not found within `limit`. Both only for a name that was never resolved.
    pub(super) async fn address(&self, base: &UpstreamBase, limit: Duration) -> Result<SocketAddr, Problem> {
        let key = (base.host().to_owned(), base.port());
        let looked_up = timeout(limit, self.names.try_get_with(key, Name::resolve(base.host(), base.port())));
        let problem = |kind| Problem::new(kind, format!("cannot resolve upstream {}", base.host()));
        let name = looked_up.await.map_err(|_| problem(ProblemKind::UpstreamTimeout))?.map_err(|error| {
            problem(ProblemKind::UpstreamUnreachable).because(std::io::Error::other(error))
        })?;
        name.refresh_if_old(limit).await;
        name.address().ok_or_else(|| problem(ProblemKind::UpstreamUnreachable))
    }

    /// Notes that an address did not answer; says whether there is another one to try.
    pub(super) fn failed(&self, base: &UpstreamBase, address: SocketAddr) -> bool {
        // A failed connect is rare enough to wait for nothing but a clone of the key.
        let names = self.names.iter().find(|(key, _)| key.0 == base.host() && key.1 == base.port());
        names.is_some_and(|(_, name)| name.failed(address))
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self { names: Cache::builder().max_capacity(MAX_NAMES).time_to_idle(FORGOTTEN).build() }
    }
}

// === impl Name ===

impl Name {
    async fn resolve(host: &str, port: u16) -> std::io::Result<Arc<Self>> {
        let found = Found::look_up(host, port).await?;
        Ok(Arc::new(Self {
            host: host.to_owned(),
            port,
            found: ArcSwap::from_pointee(found),
            first: AtomicUsize::new(0),
            looking: AtomicBool::new(false),
        }))
    }

    fn address(&self) -> Option<SocketAddr> {
        let found = self.found.load();
        let place = self.first.load(Ordering::Relaxed).checked_rem(found.addresses.len())?;
        found.addresses.get(place).copied()
    }

    fn failed(&self, address: SocketAddr) -> bool {
        // Of many requests that fail at one address, the first moves on for all.
        if self.address() == Some(address) {
            self.first.fetch_add(1, Ordering::Relaxed);
        }
        self.address().is_some_and(|next| next != address)
    }

    /// Looks again behind the back of the request; only after a long silence does the request wait for it.
    async fn refresh_if_old(self: &Arc<Self>, limit: Duration) {
        let age = self.found.load().at.elapsed();
        if age < LIFETIME || self.looking.swap(true, Ordering::Relaxed) {
            return;
        }
        let name = Arc::clone(self);
        let looking = tokio::spawn(async move { name.look_again().await });
        if age > SILENCE {
            let _ = timeout(limit, looking).await;
        }
    }

    async fn look_again(&self) {
        let before = self.address();
        let found = match timeout(LOOK_UP, Found::look_up(&self.host, self.port)).await {
            Ok(Ok(found)) => found,
            failed => {
                let error = failed.map_or("the name server is slow".to_owned(), |found| {
                    found.err().map_or_else(String::new, |error| error.to_string())
                });
                tracing::warn!(upstream = self.host, error, "name not found again, its known addresses stay");
                Found { addresses: self.found.load().addresses.clone(), at: Instant::now() }
            }
        };
        // The address that works stays first, wherever it stands now.
        let place = found.addresses.iter().position(|address| Some(*address) == before);
        self.first.store(place.unwrap_or_default(), Ordering::Relaxed);
        self.found.store(Arc::new(found));
        self.looking.store(false, Ordering::Relaxed);
    }
}

// === impl Found ===

impl Found {
    async fn look_up(host: &str, port: u16) -> std::io::Result<Self> {
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        if addresses.is_empty() {
            return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(Self { addresses, at: Instant::now() })
    }
}

/// How long an answer is kept; the system's resolver does not tell the record's own time.
const LIFETIME: Duration = Duration::from_secs(30);
/// After how long without a request an answer may be too old to be tried at all.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a look behind the back of requests may take.
const LOOK_UP: Duration = Duration::from_secs(10);
/// After how long without a request a name is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);
const MAX_NAMES: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(addresses: &[&str]) -> Name {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Name {
            host: "onfido.example".to_owned(),
            port: 443,
            found: ArcSwap::from_pointee(Found { addresses, at: Instant::now() }),
            first: AtomicUsize::new(0),
            looking: AtomicBool::new(false),
        }
    }

    #[test]
    fn an_address_that_failed_is_not_first_any_more() {
        let name = name(&["192.0.2.1:443", "192.0.2.2:443"]);
        let first = name.address().unwrap();

        let another = [name.failed(first), name.failed(first)];

        assert_eq!(another, [true, true]);
        assert_eq!(name.address().unwrap().to_string(), "192.0.2.2:443");
    }

    #[test]
    fn a_lone_address_stays() {
        let name = name(&["192.0.2.1:443"]);
        let first = name.address().unwrap();

        assert!(!name.failed(first));
        assert_eq!(name.address(), Some(first));
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_unreachable() {
        let base = UpstreamBase::parse("https://no-such-host.invalid").unwrap();

        let error = Resolver::default().address(&base, Duration::from_secs(30)).await.unwrap_err();

        assert!(matches!(error.kind(), ProblemKind::UpstreamUnreachable | ProblemKind::UpstreamTimeout));
    }
}
