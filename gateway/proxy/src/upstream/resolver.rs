//! Resolves the names of upstreams, and keeps the addresses.
//!
//! Pingora resolves the name for each connection, and blocks the thread meanwhile. Here all waiting requests share one lookup, and a
//! known name is refreshed in the background. After a failed refresh the last addresses stay in use, so that an outage of the name
//! server does not make an upstream unreachable.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::HeaderValue;
use kyc_model::{Problem, ProblemKind, UpstreamBase};
use moka::future::Cache;
use tokio::time::timeout;

/// The addresses of all upstreams.
#[derive(Debug)]
pub(super) struct Resolver {
    /// By authority and port: the authority leaves out the default port of its scheme.
    names: Cache<(HeaderValue, u16), Arc<Name>>,
}

/// One name with its addresses.
#[derive(Debug)]
struct Name {
    host: String,
    port: u16,
    answer: ArcSwap<Answer>,
    /// The index of the preferred address: the last one that did not fail.
    preferred: AtomicUsize,
    is_refreshing: AtomicBool,
}

/// The addresses that the system's resolver returned.
#[derive(Debug)]
struct Answer {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

// === impl Resolver ===

impl Resolver {
    /// Returns the address to try next.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::UpstreamUnreachable`] when the name has no address, [`ProblemKind::UpstreamTimeout`] when
    /// it was not resolved within `limit`. Both only for a name that was never resolved.
    pub(super) async fn address(&self, base: &UpstreamBase, limit: Duration) -> Result<SocketAddr, Problem> {
        let key = (base.authority().clone(), base.port());
        let problem = |kind| Problem::new(kind, format!("cannot resolve upstream {}", base.host()));
        // Nearly every request finds its name here, without a timer.
        let name = match self.names.get(&key).await {
            Some(name) => name,
            // Boxed, since it is rare and large.
            None => timeout(
                limit,
                Box::pin(self.names.try_get_with(key, Name::resolve(base.host(), base.port()))),
            )
            .await
            .map_err(|_| problem(ProblemKind::UpstreamTimeout))?
            .map_err(|error| {
                problem(ProblemKind::UpstreamUnreachable).because(std::io::Error::other(error))
            })?,
        };
        name.refresh_if_stale(limit).await;
        name.address().ok_or_else(|| problem(ProblemKind::UpstreamUnreachable))
    }

    /// Records a failed connect to an address; returns whether there is another one to try.
    pub(super) fn mark_failed(&self, base: &UpstreamBase, address: SocketAddr) -> bool {
        // Failed connects are rare, so a linear search is fast enough and avoids a copy of the key.
        let names = self.names.iter().find(|(key, _)| key.0 == base.authority() && key.1 == base.port());
        names.is_some_and(|(_, name)| name.mark_failed(address))
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self { names: Cache::builder().max_capacity(MAX_NAMES).time_to_idle(FORGET_AFTER).build() }
    }
}

// === impl Name ===

impl Name {
    async fn resolve(host: &str, port: u16) -> std::io::Result<Arc<Self>> {
        let answer = Answer::resolve(host, port).await?;
        Ok(Arc::new(Self {
            host: host.to_owned(),
            port,
            answer: ArcSwap::from_pointee(answer),
            preferred: AtomicUsize::new(0),
            is_refreshing: AtomicBool::new(false),
        }))
    }

    fn address(&self) -> Option<SocketAddr> {
        let answer = self.answer.load();
        let place = self.preferred.load(Ordering::Relaxed).checked_rem(answer.addresses.len())?;
        answer.addresses.get(place).copied()
    }

    fn mark_failed(&self, address: SocketAddr) -> bool {
        // If many requests fail at one address, only the first of them switches to the next one.
        if self.address() == Some(address) {
            self.preferred.fetch_add(1, Ordering::Relaxed);
        }
        self.address().is_some_and(|next| next != address)
    }

    /// Starts a refresh in the background. A request waits for it only when the addresses are very old.
    async fn refresh_if_stale(self: &Arc<Self>, limit: Duration) {
        let age = self.answer.load().at.elapsed();
        if age < ANSWER_TTL || self.is_refreshing.swap(true, Ordering::Relaxed) {
            return;
        }
        let name = Arc::clone(self);
        let refresh = tokio::spawn(async move { name.refresh().await });
        if age > MAX_STALE {
            let _ = timeout(limit, refresh).await;
        }
    }

    async fn refresh(&self) {
        let before = self.address();
        let answer = match timeout(REFRESH_TIMEOUT, Answer::resolve(&self.host, self.port)).await {
            Ok(Ok(answer)) => answer,
            failed => {
                let error = failed.map_or("the lookup timed out".to_owned(), |answer| {
                    answer.err().map_or_else(String::new, |error| error.to_string())
                });
                tracing::warn!(
                    upstream = self.host,
                    error,
                    "cannot resolve the upstream again, its last addresses stay in use"
                );
                Answer { addresses: self.answer.load().addresses.clone(), at: Instant::now() }
            }
        };
        // The address that works stays the preferred one, wherever it stands in the new list.
        let place = answer.addresses.iter().position(|address| Some(*address) == before);
        self.preferred.store(place.unwrap_or_default(), Ordering::Relaxed);
        self.answer.store(Arc::new(answer));
        self.is_refreshing.store(false, Ordering::Relaxed);
    }
}

// === impl Answer ===

impl Answer {
    async fn resolve(host: &str, port: u16) -> std::io::Result<Self> {
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        if addresses.is_empty() {
            return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(Self { addresses, at: Instant::now() })
    }
}

/// The age at which addresses are refreshed; the system's resolver does not return the TTL of the record.
const ANSWER_TTL: Duration = Duration::from_secs(30);
/// The age up to which addresses are used without waiting for the refresh.
const MAX_STALE: Duration = Duration::from_secs(60);
/// The time limit of a refresh in the background.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused name is kept.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Limits the memory. A gateway has few upstream names: Onfido's hosts and those of `tenants.onfido_hosts`.
const MAX_NAMES: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(addresses: &[&str]) -> Name {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Name {
            host: "onfido.example".to_owned(),
            port: 443,
            answer: ArcSwap::from_pointee(Answer { addresses, at: Instant::now() }),
            preferred: AtomicUsize::new(0),
            is_refreshing: AtomicBool::new(false),
        }
    }

    #[test]
    fn failed_address_is_no_longer_preferred() {
        let name = name(&["192.0.2.1:443", "192.0.2.2:443"]);
        let first = name.address().unwrap();

        let another = [name.mark_failed(first), name.mark_failed(first)];

        assert_eq!(another, [true, true]);
        assert_eq!(name.address().unwrap().to_string(), "192.0.2.2:443");
    }

    #[test]
    fn single_address_is_always_used() {
        let name = name(&["192.0.2.1:443"]);
        let first = name.address().unwrap();

        assert!(!name.mark_failed(first));
        assert_eq!(name.address(), Some(first));
    }

    #[tokio::test]
    async fn name_without_an_address_is_unreachable() {
        let base = UpstreamBase::parse("https://no-such-host.invalid").unwrap();

        let error = Resolver::default().address(&base, Duration::from_secs(30)).await.unwrap_err();

        assert!(matches!(error.kind(), ProblemKind::UpstreamUnreachable | ProblemKind::UpstreamTimeout));
    }
}
