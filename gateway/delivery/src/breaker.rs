//! One circuit breaker per tenant: cheap probes test a portal that is down, so that recovery is detected in seconds.
//!
//! The probe depends on the cause. To a portal that cannot be reached, or whose login fails, the gateway sends a *login probe*:
//! a login without an event. It does not count as an attempt, has its own deadline ([`super::probe`]) and is sent every few seconds
//! (`delivery.breaker_open`, doubling up to `delivery.breaker_longest`); when it succeeds, one event is sent. Where the
//! portal answers and fails at deliveries, a login would prove nothing, and one event is sent at the same intervals.
//!
//! A *refused* login is different: directories lock an account after five to ten wrong passwords within
//! 10 to 30 minutes, and a locked account would turn a typing mistake into an outage of the portal's other users. So the
//! same password is sent again only after `delivery.login_probe`, doubling up to 15 minutes, or when an operator
//! requests a replay. When the tenant's entry in the document changes, the next login probe is due at once.
//!
//! Waits are up to a fifth shorter than planned, so that the probes of many tenants of one portal do not come together.

mod window;

use std::time::Duration;

use kyc_portal::{DeliveryClass, DeliveryError};
use tokio::time::Instant;
use window::Window;

use crate::config::DeliveryConfig;

/// The circuit breaker of one tenant's deliveries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breaker {
    state: State,
    cause: Cause,
    /// A login has succeeded since the breaker opened; the next probe sends an event.
    login_works: bool,
    /// Failures in a row.
    failures: u32,
    /// How many times it opened in a row for the same cause.
    trips: u32,
    window: Window,
}

/// Why deliveries are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The portal does not answer, or fails at the login.
    Unreachable,
    /// The login succeeds, and deliveries fail.
    Failing,
    /// The portal refuses the account.
    LoginRefused,
    /// The portal has sent `Retry-After`.
    RetryAfter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open(Instant),
    /// One probe is in flight.
    HalfOpen,
}

/// What a breaker allows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    All,
    /// One login probe.
    Login,
    /// One event as a probe.
    Probe,
    /// No attempt before this time.
    NotBefore(Instant),
    /// No attempt until the probe has ended.
    Nothing,
}

// === impl Cause ===

impl Cause {
    /// Returns the name in metrics, in the log and for operators.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Failing => "failing",
            Self::LoginRefused => "login_refused",
            Self::RetryAfter => "retry_after",
        }
    }

    fn of(error: &DeliveryError) -> Self {
        match error.class() {
            DeliveryClass::Login => Self::LoginRefused,
            DeliveryClass::Transient | DeliveryClass::Endpoint if error.is_detectable_by_login() => {
                Self::Unreachable
            }
            DeliveryClass::Transient
            | DeliveryClass::Session
            | DeliveryClass::Endpoint
            | DeliveryClass::Event
            | DeliveryClass::Refused => Self::Failing,
        }
    }
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Closed,
            cause: Cause::Failing,
            login_works: false,
            failures: 0,
            trips: 0,
            window: Window::new(Instant::now()),
        }
    }

    pub(crate) fn allows(&self, now: Instant) -> Allowed {
        match self.state {
            State::Closed => Allowed::All,
            State::Open(until) if now < until => Allowed::NotBefore(until),
            State::Open(_) => match self.cause {
                Cause::Unreachable | Cause::LoginRefused if !self.login_works => Allowed::Login,
                Cause::Unreachable | Cause::LoginRefused | Cause::Failing | Cause::RetryAfter => {
                    Allowed::Probe
                }
            },
            State::HalfOpen => Allowed::Nothing,
        }
    }

    /// Returns why deliveries are held, and until when, if they are; without a time while a probe is in flight.
    pub(crate) fn held(&self) -> Option<(Cause, Option<Instant>)> {
        match self.state {
            State::Closed => None,
            State::Open(until) => Some((self.cause, Some(until))),
            State::HalfOpen => Some((self.cause, None)),
        }
    }

    /// Records that a probe begins.
    pub(crate) fn probe(&mut self) {
        self.state = State::HalfOpen;
    }

    /// Records a success and returns whether it ended a hold. Attempts that started before the breaker opened are ignored.
    pub(crate) fn succeeded(&mut self, now: Instant) -> bool {
        match self.state {
            State::Open(_) => false,
            State::HalfOpen => {
                *self = Self::new();
                true
            }
            State::Closed => {
                self.window.record(now, false);
                (self.failures, self.trips) = (0, 0);
                false
            }
        }
    }

    /// Records a failed attempt and returns whether it shows that the portal is back. `jitter` is 0 to 1 and shortens the wait.
    pub(crate) fn failed(
        &mut self,
        error: &DeliveryError,
        now: Instant,
        config: &DeliveryConfig,
        jitter: f64,
    ) -> bool {
        // The attempt started before the breaker opened, so it shows nothing new.
        if let State::Open(_) = self.state {
            return false;
        }
        // The portal has answered and rejects only this event.
        if error.rejects_event() {
            return self.succeeded(now);
        }
        let cause = Cause::of(error);
        self.failures += 1;
        self.window.record(now, true);
        let is_enough = cause == Cause::LoginRefused
            || self.failures >= FAILURES_TO_OPEN
            || self.window.is_over_failure_rate();
        if self.state == State::HalfOpen || is_enough {
            self.open(cause, now, config, jitter);
        }
        false
    }

    /// Records a successful login probe: one event may be sent at once.
    pub(crate) fn login_succeeded(&mut self, now: Instant) {
        if self.state != State::Closed {
            (self.state, self.login_works) = (State::Open(now), true);
        }
    }

    /// Records a failed login probe that started at `begun`.
    pub(crate) fn login_failed(
        &mut self,
        error: &DeliveryError,
        begun: Instant,
        config: &DeliveryConfig,
        jitter: f64,
    ) {
        if self.state == State::HalfOpen {
            // Only a refused login needs its long interval. For other errors, the next login probe shows whether they persist. The
            // wait begins with the start of the probe, so that a slow login does not make it longer.
            let cause = if Cause::of(error) == Cause::LoginRefused {
                Cause::LoginRefused
            } else {
                Cause::Unreachable
            };
            self.open(cause, begun, config, jitter);
        }
    }

    fn open(&mut self, cause: Cause, now: Instant, config: &DeliveryConfig, jitter: f64) {
        // A refused login has its own backoff.
        if (self.cause == Cause::LoginRefused) != (cause == Cause::LoginRefused) {
            self.trips = 0;
        }
        let (first, longest) = match cause {
            Cause::LoginRefused => (config.login_probe, MAX_LOGIN_INTERVAL),
            Cause::Unreachable | Cause::Failing | Cause::RetryAfter => {
                (config.breaker_open, config.breaker_longest)
            }
        };
        // The exponent is limited because the shift must not overflow; `longest` ends the doubling much earlier.
        let wait = first.saturating_mul(1 << self.trips.min(16)).min(longest.max(first));
        let wait = wait.mul_f64(1.0 - JITTER * jitter.clamp(0.0, 1.0));
        (self.state, self.cause, self.login_works) = (State::Open(now + wait), cause, false);
        self.trips += 1;
        self.failures = 0;
        self.window = Window::new(now);
    }

    /// Makes a login probe due at once, since the tenant's entry has changed.
    pub(crate) fn entry_changed(&mut self, now: Instant) {
        self.failures = 0;
        if self.state != State::Closed {
            *self = Self { state: State::Open(now), cause: Cause::Unreachable, ..Self::new() };
        }
    }

    /// Makes the next probe due at once, unless the portal has sent `Retry-After`.
    pub(crate) fn probe_now(&mut self, now: Instant) {
        if matches!(self.state, State::Open(until) if until > now) && self.cause != Cause::RetryAfter {
            self.state = State::Open(now);
        }
    }

    /// Records an attempt that shows neither success nor failure of the portal.
    pub(crate) fn inconclusive(&mut self, now: Instant) {
        if self.state == State::HalfOpen {
            self.state = State::Open(now);
        }
    }

    /// Holds deliveries until the portal's `Retry-After` has passed.
    pub(crate) fn hold(&mut self, until: Instant) {
        if !matches!(self.state, State::Open(later) if later > until) {
            (self.state, self.cause) = (State::Open(until), Cause::RetryAfter);
        }
    }

    /// Returns whether a probe is in flight.
    pub(crate) fn is_half_open(&self) -> bool {
        self.state == State::HalfOpen
    }

    /// 0 closed, 1 half open, 2 open.
    pub(crate) fn code(&self) -> i64 {
        match self.state {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open(_) => 2,
        }
    }
}

/// Failures in a row that open the breaker.
const FAILURES_TO_OPEN: u32 = 5;
/// Longest wait between two logins of a refused account.
const MAX_LOGIN_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// Waits are up to a fifth shorter than planned.
const JITTER: f64 = 0.2;

#[cfg(test)]
mod tests;
