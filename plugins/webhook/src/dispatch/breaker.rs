//! One breaker per tenant: a portal that is down is asked rarely, and one that is back at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::DispatchConfig;
use crate::fintechos::DeliveryClass;

/// Whether deliveries may be tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breaker {
    state: State,
    /// Failures in a row.
    failures: u32,
    /// How often it opened in a row.
    trips: u32,
    window: Window,
}

/// Successes and failures since some moment, not long ago.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    all: u32,
    failed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open(Instant),
    /// One try is under way.
    HalfOpen,
}

/// What a breaker allows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    All,
    /// One try, to see whether the portal is back.
    Probe,
    /// Nothing before then.
    NotBefore(Instant),
    /// Nothing until the probe has ended.
    Nothing,
}

// === impl Breaker ===

impl Breaker {
    pub(super) fn new() -> Self {
        Self { state: State::Closed, failures: 0, trips: 0, window: Window::new(Instant::now()) }
    }

    pub(super) fn allows(&self, now: Instant) -> Allowed {
        match self.state {
            State::Closed => Allowed::All,
            State::Open(until) if now >= until => Allowed::Probe,
            State::Open(until) => Allowed::NotBefore(until),
            State::HalfOpen => Allowed::Nothing,
        }
    }

    /// Notes that a probe begins.
    pub(super) fn probe(&mut self) {
        self.state = State::HalfOpen;
    }

    /// Notes a success; says whether the portal was held until now. What began before it was held says nothing.
    pub(super) fn succeeded(&mut self, now: Instant) -> bool {
        match self.state {
            State::Open(_) => false,
            State::HalfOpen => {
                *self = Self::new();
                true
            }
            State::Closed => {
                self.window.note(now, false);
                (self.failures, self.trips) = (0, 0);
                false
            }
        }
    }

    /// Notes a failure of some class; says whether it shows that the portal is back.
    pub(super) fn failed(&mut self, class: DeliveryClass, now: Instant, config: &DispatchConfig) -> bool {
        if let State::Open(_) = self.state {
            return false;
        }
        let (first, longest, limit) = match class {
            // The portal has answered: it is this one event that it does not want.
            DeliveryClass::Event | DeliveryClass::Refused => return self.succeeded(now),
            DeliveryClass::Login => (config.login_probe, LONGEST_LOGIN, 1),
            DeliveryClass::Transient | DeliveryClass::Session | DeliveryClass::Endpoint => {
                (config.breaker_open, config.breaker_longest, FAILURES)
            }
        };
        self.failures += 1;
        self.window.note(now, true);
        if self.state == State::HalfOpen || self.failures >= limit || self.window.is_bad() {
            let wait = first.saturating_mul(1 << self.trips.min(16)).min(longest.max(first));
            self.state = State::Open(now + wait);
            self.trips += 1;
            self.failures = 0;
            self.window = Window::new(now);
        }
        false
    }

    /// Notes a try that says nothing about the portal.
    pub(super) fn inconclusive(&mut self, now: Instant) {
        if self.state == State::HalfOpen {
            self.state = State::Open(now);
        }
    }

    /// Holds everything until the portal's own time is over.
    pub(super) fn hold(&mut self, until: Instant) {
        if !matches!(self.state, State::Open(later) if later > until) {
            self.state = State::Open(until);
        }
    }

    /// 0 closed, 1 half open, 2 open.
    pub(super) fn code(&self) -> i64 {
        match self.state {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open(_) => 2,
        }
    }
}

// === impl Window ===

impl Window {
    fn new(since: Instant) -> Self {
        Self { since, all: 0, failed: 0 }
    }

    fn note(&mut self, now: Instant, is_failure: bool) {
        if now.duration_since(self.since) > WINDOW {
            *self = Self::new(now);
        }
        self.all += 1;
        self.failed += u32::from(is_failure);
    }

    /// Says whether at least half of enough tries have failed.
    fn is_bad(&self) -> bool {
        self.all >= ENOUGH && self.failed * 2 >= self.all
    }
}

/// So many failures in a row open it.
const FAILURES: u32 = 5;
/// So many tries within [`WINDOW`], half of them failed, open it too.
const ENOUGH: u32 = 20;
const WINDOW: Duration = Duration::from_secs(30);
/// A refused account is tried at least this often.
const LONGEST_LOGIN: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &mut Breaker, times: u32, class: DeliveryClass, now: Instant) {
        for _ in 0..times {
            breaker.failed(class, now, &DispatchConfig::default());
        }
    }

    #[test]
    fn it_opens_after_five_failures_and_doubles_up_to_five_minutes() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        fail(&mut breaker, 4, DeliveryClass::Transient, now);
        assert_eq!(breaker.allows(now), Allowed::All);

        let mut waits = Vec::new();
        fail(&mut breaker, 1, DeliveryClass::Transient, now);
        for _ in 0..9 {
            let Allowed::NotBefore(until) = breaker.allows(now) else { panic!("{breaker:?}") };
            waits.push((until - now).as_secs());
            assert_eq!(breaker.allows(until), Allowed::Probe);
            breaker.probe();
            assert_eq!(breaker.allows(until), Allowed::Nothing);
            fail(&mut breaker, 1, DeliveryClass::Transient, now);
        }

        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn a_success_closes_it_and_says_that_it_was_held() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        assert!(!breaker.succeeded(now));

        fail(&mut breaker, 5, DeliveryClass::Endpoint, now);
        breaker.probe();

        assert!(breaker.succeeded(now));
        assert_eq!((breaker.allows(now), breaker.code()), (Allowed::All, 0));
    }

    #[test]
    fn it_opens_when_half_of_twenty_tries_fail_within_half_a_minute() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());

        let mut alternate = |times: u32, now| {
            for _ in 0..times {
                breaker.succeeded(now);
                fail(&mut breaker, 1, DeliveryClass::Transient, now);
            }
            breaker.allows(now)
        };
        let few = alternate(9, now);
        let later = alternate(9, now + WINDOW + Duration::from_secs(1));
        let enough = alternate(1, now + WINDOW + Duration::from_secs(2));

        assert_eq!([few, later], [Allowed::All; 2]);
        assert!(matches!(enough, Allowed::NotBefore(_)), "{enough:?}");
    }

    /// Failures in an envelope opened the breaker, and the probe took the same event again: good ones waited for ever.
    #[test]
    fn an_event_that_is_refused_says_nothing_against_the_portal() {
        for class in [DeliveryClass::Event, DeliveryClass::Refused] {
            let (mut breaker, now) = (Breaker::new(), Instant::now());

            fail(&mut breaker, 50, class, now);
            let after_many = breaker.allows(now);
            fail(&mut breaker, 5, DeliveryClass::Transient, now);
            breaker.probe();
            let is_back = breaker.failed(class, now, &DispatchConfig::default());

            assert_eq!((after_many, is_back, breaker.allows(now)), (Allowed::All, true, Allowed::All));
        }
    }

    #[test]
    fn one_refused_login_holds_the_tenant_for_a_minute_and_longer() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());

        let waits = [(); 6].map(|()| {
            // The others that wait for the same login fail together with it.
            fail(&mut breaker, 8, DeliveryClass::Login, now);
            let Allowed::NotBefore(until) = breaker.allows(now) else { panic!("{breaker:?}") };
            assert!(!breaker.succeeded(now), "what began before says nothing");
            breaker.probe();
            (until - now).as_secs()
        });

        assert_eq!(waits, [60, 120, 240, 480, 900, 900]);
    }
}
