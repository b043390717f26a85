//! One access token and the time in which it is used.
//!
//! The gateway counts a token's life from before the request, which is earlier than Onfido does, and on two clocks. The
//! monotonic one stands still while the machine is suspended, the system's can be set back. The token ends with the earlier of
//! both, so neither makes an expired token look valid. The price of a clock that jumps ahead is one more fetch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use kyc_model::Tenant;
use tokio::time::Instant;

use crate::token_exchange::Grant;

/// The present on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) monotonic: Instant,
    pub(crate) system: SystemTime,
}

/// An access token of one tenant for one host.
#[derive(Debug)]
pub(crate) struct AccessToken {
    authorization: HeaderValue,
    /// Host and port of the base URL that issued it, the only one that it may be sent to.
    authority: HeaderValue,
    fingerprint: u64,
    refresh: Moment,
    end: Moment,
    /// Whether Onfido refused it before its end.
    is_suspect: AtomicBool,
}

// === impl Moment ===

impl Moment {
    fn after(self, wait: Duration) -> Self {
        Self {
            monotonic: self.monotonic + wait,
            system: self.system.checked_add(wait).unwrap_or(self.system),
        }
    }

    /// Whether this moment is reached on one of the clocks.
    fn is_reached(self, now: Self) -> bool {
        now.monotonic >= self.monotonic || now.system >= self.system
    }
}

// === impl AccessToken ===

impl AccessToken {
    /// Keeps a token for the entry of `tenant`; `asked` is when the request began.
    pub(crate) fn new(grant: Grant, tenant: &Tenant, asked: Moment) -> Self {
        let Grant { authorization, life } = grant;
        // As the official clients, 30 s before the end; a short life has half of it for refreshing.
        let early = REFRESH_EARLY.min(life / 2);
        // A call that is sent now is checked by Onfido a little later.
        let margin = SENDING.min(life / 10);
        Self {
            authorization,
            authority: tenant.base.authority().clone(),
            fingerprint: tenant.fingerprint,
            refresh: asked.after(life - early),
            end: asked.after(life - margin),
            is_suspect: AtomicBool::new(false),
        }
    }

    /// Returns the value of `Authorization`.
    pub(crate) fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }

    /// Returns the system's time at which the token is no longer used.
    pub(crate) fn end(&self) -> SystemTime {
        self.end.system
    }

    /// Whether the token may be sent now in a call of this tenant.
    pub(crate) fn is_usable(&self, tenant: &Tenant, now: Moment) -> bool {
        self.fingerprint == tenant.fingerprint
            && self.authority == tenant.base.authority()
            && !self.end.is_reached(now)
    }

    /// Whether it is time to fetch the next token.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.is_suspect() || self.refresh.is_reached(now)
    }

    /// Whether Onfido refused the token.
    pub(crate) fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Relaxed)
    }

    /// Records that Onfido refused the token.
    pub(crate) fn suspect(&self) {
        self.is_suspect.store(true, Ordering::Relaxed);
    }
}

/// How long before its end a token is refreshed.
const REFRESH_EARLY: Duration = Duration::from_secs(30);
/// How long before its end a token is no longer sent.
const SENDING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use kyc_model::testkit::tenant;

    use super::*;

    fn token(life: u64, asked: Moment) -> AccessToken {
        let grant = Grant { authorization: "Bearer t".parse().unwrap(), life: Duration::from_secs(life) };
        AccessToken::new(grant, &tenant("acme", "https://onfido.test", "https://portal.test"), asked)
    }

    fn now() -> Moment {
        Moment { monotonic: Instant::now(), system: SystemTime::now() }
    }

    #[test]
    fn token_is_due_30_seconds_early_and_a_short_one_after_half_of_its_life() {
        let (entry, start) = (tenant("acme", "https://onfido.test", "https://portal.test"), now());
        for (life, due, end) in [(3600, 3570, 3598), (60, 30, 58), (20, 10, 18), (10, 5, 9)] {
            let token = token(life, start);
            let at = |seconds: u64| start.after(Duration::from_secs(seconds));

            assert!(!token.is_due(at(due - 1)) && token.is_due(at(due)), "{life}");
            assert!(token.is_usable(&entry, at(end - 1)) && !token.is_usable(&entry, at(end)), "{life}");
        }
    }

    /// A token that was fetched before a suspend, or before the clock was set back, looked valid.
    #[test]
    fn token_ends_with_the_earlier_of_both_clocks() {
        let (entry, start) = (tenant("acme", "https://onfido.test", "https://portal.test"), now());
        let (token, hour) = (token(600, start), Duration::from_secs(3600));
        let suspended = Moment { system: start.system + hour, ..start };
        let set_back = Moment { monotonic: start.monotonic + hour, system: start.system - hour };

        assert!(token.is_usable(&entry, start));
        assert!(!token.is_usable(&entry, suspended) && !token.is_usable(&entry, set_back));
    }

    #[test]
    fn token_is_only_for_its_entry_and_its_host() {
        let (entry, start) = (tenant("acme", "https://onfido.test", "https://portal.test"), now());
        let token = token(600, start);
        let changed = Tenant { fingerprint: entry.fingerprint + 1, ..entry.clone() };
        let elsewhere = tenant("acme", "https://onfido.test:8443", "https://portal.test");

        assert!(token.is_usable(&entry, start));
        assert!(!token.is_usable(&changed, start) && !token.is_usable(&elsewhere, start));
    }
}
