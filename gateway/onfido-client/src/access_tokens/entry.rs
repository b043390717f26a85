//! What is known about the access token of one entry of the tenant document.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use kyc_model::Tenant;
use tokio::time::Instant;

use crate::access_token::{AccessToken, Moment};
use crate::token_error::TokenError;

/// The token of one entry, and when it may be fetched again.
#[derive(Debug)]
pub(crate) struct TokenEntry {
    fingerprint: u64,
    state: Mutex<State>,
    is_refreshing: AtomicBool,
}

#[derive(Debug)]
struct State {
    token: Option<Arc<AccessToken>>,
    /// Consecutive failures.
    failures: u32,
    /// The latest failure, and when the next fetch may begin.
    failed: Option<(TokenError, Instant)>,
    /// When a refused token was last taken as a reason for a fetch.
    suspected: Option<Instant>,
    used: Instant,
}

/// Marks the entry as being refreshed, until it is dropped.
pub(crate) struct Refresh(Arc<TokenEntry>);

// === impl TokenEntry ===

impl TokenEntry {
    pub(crate) fn new(fingerprint: u64) -> Self {
        let used = Instant::now();
        let state = State { token: None, failures: 0, failed: None, suspected: None, used };
        Self { fingerprint, state: Mutex::new(state), is_refreshing: AtomicBool::new(false) }
    }

    pub(crate) fn is_of(&self, tenant: &Tenant) -> bool {
        self.fingerprint == tenant.fingerprint
    }

    /// Returns the token if it may be sent now.
    pub(crate) fn usable(&self, tenant: &Tenant, now: Moment) -> Option<Arc<AccessToken>> {
        let mut state = self.state();
        state.used = now.monotonic;
        state.token.as_ref().filter(|token| token.is_usable(tenant, now)).map(Arc::clone)
    }

    /// Returns the latest failure and how long to wait because of it; `None` if a fetch may begin.
    pub(crate) fn pause(&self, now: Moment) -> Option<(TokenError, Duration)> {
        let state = self.state();
        let (error, until) = state.failed.as_ref()?;
        let wait = until.checked_duration_since(now.monotonic).filter(|wait| !wait.is_zero())?;
        Some((error.clone(), wait))
    }

    /// Whether a call without a token should wait for the next fetch: while failures are few and can pass.
    pub(crate) fn is_worth_waiting(&self) -> bool {
        let state = self.state();
        let is_transient = state.failed.as_ref().is_none_or(|(error, _)| error.is_transient());
        is_transient && state.failures <= PATIENT_FAILURES
    }

    pub(crate) fn publish(&self, token: Arc<AccessToken>) {
        let mut state = self.state();
        state.token = Some(token);
        (state.failures, state.failed) = (0, None);
    }

    /// Records a failed fetch. Returns the time until the next one.
    pub(crate) fn fail(&self, error: &TokenError, now: Moment) -> Duration {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let wait = back_off(state.failures, error);
        state.failed = Some((error.clone(), now.monotonic + wait));
        wait
    }

    /// Records that Onfido refused this value. Returns whether that is a reason to fetch another token: not for a token that was
    /// replaced already, and at most once per [`SUSPICION_INTERVAL`].
    pub(crate) fn suspect(&self, authorization: &HeaderValue, now: Moment) -> bool {
        let mut state = self.state();
        let Some(token) = state.token.as_ref().filter(|token| token.authorization() == authorization) else {
            return false;
        };
        let is_early = |at: Instant| now.monotonic.saturating_duration_since(at) < SUSPICION_INTERVAL;
        if token.is_suspect() || state.suspected.is_some_and(is_early) {
            return false;
        }
        token.suspect();
        state.suspected = Some(now.monotonic);
        true
    }

    /// Begins a refresh in the background; `None` while there is one, or after a failure.
    pub(crate) fn begin_refresh(self: &Arc<Self>, now: Moment) -> Option<Refresh> {
        if self.pause(now).is_some() || self.is_refreshing.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Refresh(Arc::clone(self)))
    }

    /// Returns until when the token is used; `None` without one, or if no call has needed it for [`IDLE`].
    pub(crate) fn end(&self, now: Moment) -> Option<SystemTime> {
        let end = self.state().token.as_ref().map(|token| token.end())?;
        (!self.is_idle(now)).then_some(end)
    }

    /// Whether no call has needed the token for [`IDLE`].
    pub(crate) fn is_idle(&self, now: Moment) -> bool {
        now.monotonic.saturating_duration_since(self.state().used) >= IDLE
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Refresh ===

impl Drop for Refresh {
    fn drop(&mut self) {
        self.0.is_refreshing.store(false, Ordering::Release);
    }
}

/// The time from a failure to the next fetch: what Onfido asks for, or 1, 1, 2, 4, 8, 10 s, and 10 to 60 s for a refused client,
/// which an operator must correct; a changed entry is fetched for at once.
fn back_off(failures: u32, error: &TokenError) -> Duration {
    let doubled = |first: u64, most: u64| {
        let doublings = failures.saturating_sub(2).min(10);
        Duration::from_secs((first << doublings).min(most))
    };
    let usual = if error.is_transient() { doubled(1, 10) } else { doubled(10, 60) };
    error.retry_after().map_or(usual, |asked| asked.max(usual))
}

/// The failures after which calls no longer wait for the next fetch.
const PATIENT_FAILURES: u32 = 3;
/// A 401 that is not about the token must not cause a fetch for each call.
const SUSPICION_INTERVAL: Duration = Duration::from_secs(10);
/// Entries that no call has used for this time are dropped.
const IDLE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_retried_ever_later_and_as_onfido_asks() {
        let unavailable = TokenError::Unavailable { status: 503, retry_after: None };
        let limited = TokenError::RateLimited { retry_after: Some(Duration::from_secs(7)) };
        let refused = TokenError::Refused { status: 401 };
        let waits =
            |error: &TokenError| [1, 2, 3, 4, 5, 6, 99].map(|failures| back_off(failures, error).as_secs());

        assert_eq!(waits(&unavailable), [1, 1, 2, 4, 8, 10, 10]);
        assert_eq!(waits(&limited), [7, 7, 7, 7, 8, 10, 10]);
        assert_eq!(waits(&refused), [10, 10, 20, 40, 60, 60, 60]);
    }
}
