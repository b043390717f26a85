use kyc_model::testkit;

use super::*;
use crate::code::{Code, Probe, Verdict};

const INTERVAL: Duration = Duration::from_secs(3600);

fn entry(name: &str, fingerprint: u64) -> Tenant {
    Tenant { fingerprint, ..testkit::tenant(name, "http://onfido.test", "http://portal.test") }
}

fn table(entries: &[(&str, u64)]) -> Arc<TenantTable> {
    let mut table = TenantTable::default();
    for (name, fingerprint) in entries {
        table.insert(Arc::new(entry(name, *fingerprint))).unwrap();
    }
    Arc::new(table)
}

fn schedule(config: &DoctorConfig, entries: &[(&str, u64)], now: Instant) -> Schedule {
    let mut schedule = Schedule::new(config);
    schedule.set_tenants(&table(entries), now);
    schedule
}

/// The names of the tenants whose probes begin.
fn begun(schedule: &mut Schedule, now: Instant) -> Vec<String> {
    schedule.begin(now).into_iter().map(|(tenant, _)| tenant.name.to_string()).collect()
}

fn found(code: Code) -> Option<Outcome> {
    let verdict = Verdict::Known(vec![code.with("mend it")]);
    Some(Outcome { verdicts: vec![(Probe::Webhook, verdict)], retry_after: None })
}

#[test]
fn first_probes_are_spread_and_later_ones_come_within_the_interval() {
    let now = Instant::now();
    let names: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    let entries: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let config = DoctorConfig { concurrency: 64, ..DoctorConfig::default() };
    let mut schedule = schedule(&config, &entries, now);

    let dues: Vec<Duration> = schedule.entries.values().map(|entry| entry.due.unwrap() - now).collect();
    schedule.end(&entry("t7", 1), Some(Outcome::default()), now);
    let next = schedule.entries["t7"].due.unwrap() - now;

    let late = dues.iter().filter(|due| **due > Duration::from_secs(5)).count();
    assert!((10..90).contains(&late), "{dues:?}");
    assert!(dues.iter().all(|due| *due <= Duration::from_secs(11)), "{dues:?}");
    assert!(next <= INTERVAL && next >= INTERVAL.mul_f64(0.79), "{next:?}");
}

#[test]
fn only_some_tenants_are_probed_at_the_same_time() {
    let now = Instant::now();
    let config = DoctorConfig { concurrency: 2, ..DoctorConfig::default() };
    let mut schedule = schedule(&config, &[("a", 1), ("b", 1), ("c", 1)], now);
    let later = now + INTERVAL;

    let first = begun(&mut schedule, later);
    let full = begun(&mut schedule, later);
    schedule.end(&entry(&first[0], 1), Some(Outcome::default()), later);
    let second = begun(&mut schedule, later);

    assert_eq!((first.len(), full.len(), second.len()), (2, 0, 1));
    assert!(!first.contains(&second[0]));
}

#[test]
fn tenant_with_a_finding_is_probed_again_sooner() {
    let now = Instant::now();
    let mut schedule = schedule(&DoctorConfig::default(), &[("a", 1), ("b", 1)], now);

    schedule.end(&entry("a", 1), found(Code::WebhookDisabled), now);
    let limited = Outcome { retry_after: Some(INTERVAL * 2), ..Outcome::default() };
    schedule.end(&entry("b", 1), Some(limited), now);

    assert!(schedule.entries["a"].due.unwrap() - now <= RECHECK);
    assert!(schedule.entries["b"].due.unwrap() - now >= INTERVAL * 2, "Onfido's Retry-After is kept");
}

#[test]
fn findings_of_a_removed_tenant_disappear() {
    let now = Instant::now();
    let mut schedule = schedule(&DoctorConfig::default(), &[("a", 1), ("b", 1)], now);
    schedule.end(&entry("a", 1), found(Code::WebhookDisabled), now);

    schedule.set_tenants(&table(&[("b", 1)]), now);
    let late = schedule.end(&entry("a", 1), found(Code::WebhookMoved), now);

    assert_eq!(late, []);
    assert_eq!(schedule.reports().iter().map(|report| &report.tenant).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn changed_entry_is_probed_soon_and_keeps_its_findings_until_then() {
    let now = Instant::now();
    let mut schedule = schedule(&DoctorConfig::default(), &[("a", 1)], now);
    let begun_with_old_entry = begun(&mut schedule, now + INTERVAL);
    schedule.set_tenants(&table(&[("a", 2)]), now);

    let dropped = schedule.end(&entry("a", 1), found(Code::WebhookDisabled), now);
    let due = schedule.entries["a"].due.unwrap() - now;
    let kept = schedule.end(&entry("a", 2), found(Code::WebhookMoved), now).len();
    schedule.set_tenants(&table(&[("a", 3)]), now);

    assert_eq!((begun_with_old_entry.len(), dropped.len(), kept), (1, 0, 1));
    assert!(due < Duration::from_secs(2), "{due:?}");
    assert_eq!(schedule.reports()[0].findings.len(), 1);
}

#[test]
fn demanded_tenant_is_probed_first_unless_its_result_is_fresh() {
    let now = Instant::now();
    let config = DoctorConfig { concurrency: 1, enabled: false, ..DoctorConfig::default() };
    let mut schedule = schedule(&config, &[("a", 1), ("b", 1)], now);

    let without_demand = begun(&mut schedule, now + INTERVAL);
    schedule.demand(Some("b"), now);
    let demanded = begun(&mut schedule, now);
    let waiting = schedule.is_demanded(Some("b"));
    schedule.end(&entry("b", 1), None, now);
    let ended = schedule.is_demanded(Some("b"));
    schedule.demand(Some("b"), now + Duration::from_secs(9));
    let fresh = begun(&mut schedule, now + Duration::from_secs(9));
    schedule.demand(Some("b"), now + Duration::from_secs(11));
    let again = begun(&mut schedule, now + Duration::from_secs(11));

    assert_eq!((without_demand, demanded), (vec![], vec!["b".to_owned()]));
    assert_eq!((waiting, ended), (true, false));
    assert_eq!((fresh, again), (vec![], vec!["b".to_owned()]));
}
