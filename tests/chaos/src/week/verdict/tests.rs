use std::path::PathBuf;

use kyc_sandbox::portal::{Entry, read_ledger};

use super::super::load::Accepted;
use super::super::log::Says;
use super::*;
use crate::notification::body;

/// Two customers, and what is said of them.
struct Case {
    _folder: tempfile::TempDir,
    customers: Customers,
    ledgers: Vec<PathBuf>,
    tallies: Tallies,
    lines: Vec<Line>,
    dead: Listed,
    parked: Listed,
}

impl Case {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let customers = Customers::start(folder.path(), 2).await.unwrap();
        let ledgers = customers.ledgers().map(std::path::Path::to_owned).collect();
        let (tallies, lines) = (Tallies::default(), Vec::new());
        let (dead, parked) = (Listed::new(), Listed::new());
        Self { _folder: folder, customers, ledgers, tallies, lines, dead, parked }
    }

    fn accept(&self, customer: usize, number: u64, at: u64) {
        lock(&self.tallies.accepted).push(Accepted { number, customer, at });
    }

    /// A portal has an event of a customer, or another text.
    fn deliver(&self, portal: usize, event: String, id: &str, at_ms: u64) {
        let mut entries = read_ledger(&self.ledgers[portal]).unwrap();
        entries.push(Entry {
            tenant: format!("customer-{portal}"),
            action: "action".to_owned(),
            event,
            event_id: Some(id.to_owned()),
            at_ms,
        });
        let lines: Vec<String> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
        std::fs::write(&self.ledgers[portal], lines.join("\n")).unwrap();
    }

    /// What is found, apart from the kinds of faults that there were none of.
    fn verdict(&self, faults: &[Struck]) -> Verdict {
        let evidence = Evidence {
            customers: &self.customers,
            tallies: &self.tallies,
            unanswered: 0,
            faults,
            lines: &self.lines,
            stalls: &Stalls::default(),
            dead: &self.dead,
            parked: &self.parked,
            gap: 2_000,
        };
        let (mut verdict, _) = Verdict::of(&evidence).unwrap();
        verdict.violations.retain(|violation| !violation.contains("no fault of the kind"));
        verdict
    }
}

fn fault(kind: Kind, customers: &[usize], begun: u64, ended: u64) -> Struck {
    Struck { kind, customers: customers.to_vec(), begun, ended }
}

#[tokio::test]
async fn what_is_delivered_once_at_home_and_in_time_is_no_violation() {
    let case = Case::new().await;
    case.accept(1, 7, 10_000);
    case.deliver(1, body(1, 7), "a", 10_500);

    let verdict = case.verdict(&[]);

    assert_eq!((verdict.delivered, verdict.longest, verdict.holds()), (1, 500, true), "{verdict}");
}

#[tokio::test]
async fn a_lost_a_misplaced_and_an_altered_event_are_violations() {
    let case = Case::new().await;
    case.accept(0, 1, 10_000);
    case.accept(0, 2, 10_000);
    case.deliver(1, body(0, 2), "b", 10_500);
    case.deliver(0, body(0, 3).replace("complete", "changed"), "c", 10_500);

    let verdict = case.verdict(&[]);

    assert_eq!(verdict.violations.len(), 3, "{verdict}");
    for text in ["event 1 of customer 0 is lost", "event 2 of customer 0 is at customer 1's", "nobody sent"] {
        assert!(verdict.violations.iter().any(|violation| violation.contains(text)), "{text}: {verdict}");
    }
}

#[tokio::test]
async fn an_event_may_come_again_only_for_a_fault_that_lost_the_first_answer() {
    let case = Case::new().await;
    case.accept(0, 1, 10_000);
    case.deliver(0, body(0, 1), "a", 10_100);
    case.deliver(0, body(0, 1), "a", 11_000);

    let [without, of_another, later, with, of_all] = [
        case.verdict(&[]),
        case.verdict(&[fault(Kind::Dead, &[1], 10_200, 30_000)]),
        case.verdict(&[fault(Kind::Dead, &[0], 20_000, 30_000)]),
        case.verdict(&[fault(Kind::Dead, &[0], 10_200, 30_000)]),
        case.verdict(&[fault(Kind::Kill, &[], 10_200, 10_900)]),
    ]
    .map(|verdict| verdict.violations.len());

    assert_eq!((without, of_another, later), (1, 1, 1));
    assert_eq!((with, of_all), (0, 0));
}

#[tokio::test]
async fn a_late_event_needs_a_line_of_the_log() {
    let mut case = Case::new().await;
    case.accept(0, 1, 10_000);
    case.deliver(0, body(0, 1), "a", 20_000);

    let without = case.verdict(&[]);
    case.lines.push(Line { at: 10_500, says: Says::Failed, tenant: String::new(), event: "a".to_owned() });
    let with = case.verdict(&[]);

    assert_eq!(without.violations.len(), 1, "{without}");
    assert!(without.violations[0].contains("waited for 10000 ms"), "{without}");
    assert_eq!((with.violations.len(), with.late), (0, 1), "{with}");
}

#[tokio::test]
async fn dead_and_parked_events_need_their_faults() {
    let mut case = Case::new().await;
    case.accept(0, 1, 10_000);
    case.accept(1, 2, 10_000);
    case.dead.insert(1, (String::new(), "rejected".to_owned()));
    case.parked.insert(2, (String::new(), "unknown_customer".to_owned()));

    let without = case.verdict(&[]);
    let faults =
        [fault(Kind::RefusesByStatus, &[0], 9_000, 20_000), fault(Kind::Replaced, &[1], 9_000, 20_000)];
    let with = case.verdict(&faults);
    case.dead.insert(1, (String::new(), "exhausted".to_owned()));
    let exhausted = case.verdict(&faults);

    assert_eq!((without.violations.len(), with.violations.len()), (2, 0), "{without}");
    assert_eq!((with.dead, with.parked, exhausted.violations.len()), (1, 1, 1), "{exhausted}");
}
