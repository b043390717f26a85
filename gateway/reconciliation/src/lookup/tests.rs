use std::collections::HashMap;
use std::sync::Mutex;

use kyc_events::{LedgerResult, Owner};
use kyc_model::testkit::tenant;
use serde_json::{Value, json};

use super::*;

/// Answers each path with a JSON document; 404 for all others.
#[derive(Default)]
struct Account {
    answers: HashMap<&'static str, Value>,
    error: Option<OnfidoError>,
    calls: Mutex<Vec<String>>,
}

#[async_trait]
impl Resources for Account {
    async fn find(&self, _: &Tenant, path: &[&str], query: &[(&str, &str)]) -> Result<Bytes, OnfidoError> {
        let query: Vec<String> = query.iter().map(|(name, value)| format!("?{name}={value}")).collect();
        let call = format!("{}{}", path.join("/"), query.concat());
        self.calls.lock().unwrap().push(call.clone());
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let answer = self.answers.get(call.as_str()).ok_or(OnfidoError::NotFound)?;
        Ok(Bytes::from(answer.to_string()))
    }
}

fn acme() -> Tenant {
    tenant("acme", "https://api.eu.onfido.com/v3.6", "https://portal.example/")
}

/// An entry whose results are open, except the reports in `notified`.
fn entry(kind: SubjectKind, reports: &[&str], notified: &[&str]) -> LedgerEntry {
    let result = |subject: &str, is_report: bool| LedgerResult {
        subject: subject.to_owned(),
        is_report,
        state: if notified.contains(&subject) { LedgerState::Notified } else { LedgerState::Open },
        settled: None,
        event: None,
    };
    let reports = reports.iter().map(|report| result(report, true));
    LedgerEntry {
        id: 1,
        owner: Owner::of(&acme()),
        kind,
        subject: "s-1".to_owned(),
        applicant: None,
        awaits_itself: false,
        state: LedgerState::Open,
        started: 0,
        overdue: 0,
        due: 0,
        lookups: 0,
        missing: 0,
        error: None,
        settled: None,
        results: std::iter::once(result("s-1", false)).chain(reports).collect(),
        trace: String::new(),
    }
}

fn account(status: &str, reports: &[(&str, &str)]) -> Account {
    let reports: Vec<Value> =
        reports.iter().map(|(id, status)| json!({"id": id, "status": status, "result": null})).collect();
    let answers = HashMap::from([
        ("checks/s-1", json!({"id": "s-1", "status": status})),
        ("reports?check_id=s-1", json!({ "reports": reports })),
    ]);
    Account { answers, ..Account::default() }
}

async fn look_up(account: &Account, entry: &LedgerEntry, kinds: &str) -> LookUp {
    let wanted = Wanted::new(kinds.split(' ').map(str::to_owned).collect());
    LookUp::make(account, &acme(), entry, &wanted).await
}

/// What was found: the actions and ids of the events, and whether that is all.
fn shown(answer: Answer) -> (Vec<String>, bool) {
    let Answer::Found { events, is_complete } = answer else { panic!("{answer:?}") };
    let show = |body: &Bytes| {
        let event = kyc_model::Event::parse(body).unwrap();
        format!("{} {}", event.action(), event.resource().unwrap())
    };
    (events.iter().map(show).collect(), is_complete)
}

#[tokio::test]
async fn reports_that_were_not_notified_are_found() {
    let entry = entry(SubjectKind::Check, &["r-1", "r-2"], &["r-1"]);
    let account = account("complete", &[("r-1", "complete"), ("r-2", "complete")]);

    let LookUp { answer, calls } = look_up(&account, &entry, "report.completed").await;

    assert_eq!((shown(answer.unwrap()), calls), ((vec!["report.completed r-2".to_owned()], true), 2));
}

#[tokio::test]
async fn report_is_found_while_its_check_goes_on() {
    let entry = entry(SubjectKind::Check, &["r-1", "r-2"], &[]);
    let account = account("in_progress", &[("r-1", "complete"), ("r-2", "awaiting_data")]);

    let LookUp { answer, .. } = look_up(&account, &entry, "*").await;

    assert_eq!(shown(answer.unwrap()), (vec!["report.completed r-1".to_owned()], false));
}

#[tokio::test]
async fn only_kinds_that_the_tenant_takes_are_found() {
    let entry = entry(SubjectKind::Check, &["r-1"], &[]);
    let account = account("complete", &[("r-1", "complete")]);

    let LookUp { answer, calls } = look_up(&account, &entry, "check.completed").await;
    let nothing = look_up(&account, &entry, "workflow_run.completed").await;

    assert_eq!((shown(answer.unwrap()), calls), ((vec!["check.completed s-1".to_owned()], true), 1));
    assert_eq!(shown(nothing.answer.unwrap()), (Vec::new(), true));
}

#[tokio::test]
async fn check_without_a_result_to_come_ends() {
    let entry = entry(SubjectKind::Check, &["r-1"], &[]);
    for (status, report, expected) in [
        ("withdrawn", "complete", LedgerState::Withdrawn),
        ("in_progress", "withdrawn", LedgerState::Withdrawn),
        ("in_progress", "cancelled", LedgerState::Cancelled),
    ] {
        let account = account(status, &[("r-1", report)]);

        let LookUp { answer, .. } = look_up(&account, &entry, "report.completed").await;

        assert_eq!(answer.unwrap(), Answer::Ended(expected), "{status} {report}");
    }
}

#[tokio::test]
async fn workflow_run_is_found_in_each_final_status() {
    let entry = entry(SubjectKind::WorkflowRun, &[], &[]);
    for (status, is_final) in [
        ("processing", false),
        ("awaiting_input", false),
        ("awaiting_client_input", false),
        ("of_the_future", false),
        ("approved", true),
        ("declined", true),
        ("review", true),
        ("abandoned", true),
        ("error", true),
    ] {
        let run = json!({"id": "s-1", "status": status, "updated_at": "2026-01-01T00:00:00Z"});
        let account = Account { answers: HashMap::from([("workflow_runs/s-1", run)]), ..Account::default() };

        let LookUp { answer, .. } = look_up(&account, &entry, "*").await;

        let events = if is_final { vec!["workflow_run.completed s-1".to_owned()] } else { Vec::new() };
        assert_eq!(shown(answer.unwrap()), (events, is_final), "{status}");
    }
}

#[tokio::test]
async fn what_onfido_does_not_have_any_more_ends_and_other_errors_do_not() {
    let (day, new) = (24 * 3_600_000, 0);
    for (age, missing, error, expected) in [
        (day, 0, OnfidoError::NotFound, None),
        (day, 1, OnfidoError::NotFound, None),
        (day, 2, OnfidoError::NotFound, Some(LedgerState::Deleted)),
        (new, 2, OnfidoError::NotFound, None),
        (new, 0, OnfidoError::Gone, Some(LedgerState::Erased)),
        (day, 2, OnfidoError::RateLimited { retry_after: None }, None),
        (day, 2, OnfidoError::CredentialRefused { status: 401 }, None),
        (day, 2, OnfidoError::Malformed, None),
    ] {
        let started = now() - age;
        let entry = LedgerEntry { missing, started, ..entry(SubjectKind::Check, &["r-1"], &[]) };
        let account = Account { error: Some(error.clone()), ..Account::default() };

        let LookUp { answer, calls } = look_up(&account, &entry, "*").await;

        let ended = answer.ok().map(|answer| match answer {
            Answer::Ended(state) => state,
            Answer::Found { .. } => panic!("{error}"),
        });
        assert_eq!((ended, calls), (expected, 1), "{error}");
    }
}
