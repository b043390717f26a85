use super::window::WINDOW;
use super::*;

fn fail(breaker: &mut Breaker, times: u32, error: &DeliveryError, now: Instant) {
    for _ in 0..times {
        breaker.failed(error, now, &DeliveryConfig::default(), 0.0);
    }
}

/// Returns the time until the breaker allows the next probe.
fn wait(breaker: &Breaker, now: Instant) -> Duration {
    let Allowed::NotBefore(until) = breaker.allows(now) else { panic!("{breaker:?}") };
    until - now
}

const BUSY: DeliveryError = DeliveryError::Status(503);
const SILENT: DeliveryError = DeliveryError::Deadline;
const REFUSED: DeliveryError = DeliveryError::LoginStatus(401);

#[test]
fn breaker_opens_after_five_failures_and_doubles_its_hold_up_to_15_seconds() {
    let (mut breaker, now) = (Breaker::new(), Instant::now());
    fail(&mut breaker, 4, &BUSY, now);
    assert_eq!(breaker.allows(now), Allowed::All);

    let mut waits = Vec::new();
    fail(&mut breaker, 1, &BUSY, now);
    for _ in 0..6 {
        let held = wait(&breaker, now);
        waits.push(held.as_secs());
        assert_eq!(breaker.allows(now + held), Allowed::Probe);
        breaker.probe();
        assert_eq!(breaker.allows(now + held), Allowed::Nothing);
        fail(&mut breaker, 1, &BUSY, now);
    }

    assert_eq!(waits, [2, 4, 8, 15, 15, 15]);
}

/// Regression: the gateway probed an unreachable portal with an event every five minutes, so its events arrived minutes after it
/// had recovered.
#[test]
fn unresponsive_portal_is_probed_by_logins() {
    let (mut breaker, now, config) = (Breaker::new(), Instant::now(), DeliveryConfig::default());
    fail(&mut breaker, 5, &SILENT, now);

    let mut waits = Vec::new();
    for jitter in [0.0, 1.0, 0.0, 1.0, 0.0] {
        let held = wait(&breaker, now);
        waits.push(held.as_millis());
        assert_eq!(breaker.allows(now + held), Allowed::Login);
        breaker.probe();
        breaker.login_failed(&SILENT, now, &config, jitter);
    }
    breaker.probe();
    breaker.login_succeeded(now);
    let after_login = breaker.allows(now);
    breaker.probe();
    let is_back = breaker.succeeded(now);

    assert_eq!(waits, [2000, 4000, 6400, 15_000, 12_000]);
    assert_eq!((after_login, is_back, breaker.allows(now)), (Allowed::Probe, true, Allowed::All));
}

/// With successful logins and hanging deliveries, the probes must not alternate without a pause.
#[test]
fn failed_attempts_after_successful_logins_double_the_hold() {
    let (mut breaker, now) = (Breaker::new(), Instant::now());
    fail(&mut breaker, 5, &SILENT, now);

    let waits = [(); 4].map(|()| {
        breaker.probe();
        breaker.login_succeeded(now);
        breaker.probe();
        fail(&mut breaker, 1, &SILENT, now);
        wait(&breaker, now).as_secs()
    });

    assert_eq!(waits, [4, 8, 15, 15]);
}

#[test]
fn success_closes_the_breaker_and_reports_the_end_of_the_hold() {
    let (mut breaker, now) = (Breaker::new(), Instant::now());
    assert!(!breaker.succeeded(now));

    fail(&mut breaker, 5, &DeliveryError::Status(404), now);
    let held = breaker.held();
    breaker.probe();

    assert!(matches!(held, Some((Cause::Failing, Some(_)))), "{held:?}");
    assert!(breaker.succeeded(now));
    assert_eq!((breaker.allows(now), breaker.code(), breaker.held()), (Allowed::All, 0, None));
}

#[test]
fn breaker_opens_when_half_of_20_attempts_fail_within_30_seconds() {
    let (mut breaker, now) = (Breaker::new(), Instant::now());

    let mut alternate = |times: u32, now| {
        for _ in 0..times {
            breaker.succeeded(now);
            fail(&mut breaker, 1, &BUSY, now);
        }
        breaker.allows(now)
    };
    let few = alternate(9, now);
    let later = alternate(9, now + WINDOW + Duration::from_secs(1));
    let enough = alternate(1, now + WINDOW + Duration::from_secs(2));

    assert_eq!([few, later], [Allowed::All; 2]);
    assert!(matches!(enough, Allowed::NotBefore(_)), "{enough:?}");
}

/// Regression: rejections of one event opened the breaker, and the probe sent the same event again, so that valid events were
/// never delivered.
#[test]
fn rejected_event_does_not_count_as_a_failure_of_the_portal() {
    for refusal in [DeliveryError::Status(409), DeliveryError::Refused(None)] {
        let (mut breaker, now) = (Breaker::new(), Instant::now());

        fail(&mut breaker, 50, &refusal, now);
        let after_many = breaker.allows(now);
        fail(&mut breaker, 5, &BUSY, now);
        breaker.probe();
        let is_back = breaker.failed(&refusal, now, &DeliveryConfig::default(), 0.0);

        assert_eq!((after_many, is_back, breaker.allows(now)), (Allowed::All, true, Allowed::All));
    }
}

/// A directory locks an account after several wrong passwords.
#[test]
fn refused_password_is_retried_only_at_long_intervals() {
    let (mut breaker, now, config) = (Breaker::new(), Instant::now(), DeliveryConfig::default());
    // The others that wait for the same login fail together with it.
    fail(&mut breaker, 8, &REFUSED, now);

    let waits = [(); 6].map(|()| {
        let held = wait(&breaker, now);
        assert!(!breaker.succeeded(now), "attempts from before the opening are ignored");
        assert_eq!(breaker.allows(now + held), Allowed::Login);
        breaker.probe();
        breaker.login_failed(&REFUSED, now, &config, 0.0);
        held.as_secs()
    });
    breaker.probe();
    breaker.login_failed(&SILENT, now, &config, 0.0);

    assert_eq!(waits, [60, 120, 240, 480, 900, 900]);
    assert_eq!(wait(&breaker, now).as_secs(), 2, "an unreachable portal is probed at short intervals");
}

/// Regression: after a corrected password, deliveries stayed held for up to 15 minutes.
#[test]
fn changed_entry_or_operator_ends_a_hold_except_retry_after() {
    let (mut refused, now) = (Breaker::new(), Instant::now());
    fail(&mut refused, 1, &REFUSED, now);
    let (mut refused_login, mut retry_after) = (refused, refused);
    retry_after.hold(now + Duration::from_secs(3600));
    let mut changed = retry_after;
    let mut closed = Breaker::new();

    for breaker in [&mut refused_login, &mut retry_after] {
        breaker.probe_now(now);
    }
    for breaker in [&mut refused, &mut changed, &mut closed] {
        breaker.entry_changed(now);
    }

    assert_eq!([refused, changed, refused_login].map(|breaker| breaker.allows(now)), [Allowed::Login; 3]);
    assert_eq!(
        (retry_after.held().map(|held| held.0), wait(&retry_after, now).as_secs()),
        (Some(Cause::RetryAfter), 3600)
    );
    assert_eq!(closed.allows(now), Allowed::All);
}
