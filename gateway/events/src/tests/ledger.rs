//! The ledger of started checks: notes and notifications in any order, look-ups, claims, retention.

use std::time::Duration;

use super::*;

/// Runs each step with a store of its own.
macro_rules! on_both_engines {
    ($($name:ident, $sqlite:ident, $postgres:ident;)*) => { $(
        #[tokio::test]
        async fn $sqlite() {
            let folder = tempfile::tempdir().unwrap();
            $name(&Engine::Sqlite(store(folder.path()).await)).await;
        }

        #[test]
        fn $postgres() {
            let server = kyc_harness::postgres::Postgres::start().unwrap();
            runtime().block_on(async {
                let store = Postgres::new(Secret::new(server.url()), Duration::ZERO);
                store.prepare().await.unwrap();
                $name(&Engine::Postgres(store)).await;
            });
        }
    )* };
}

mod gateways;
mod notes;
mod reads;
mod shares;

/// A check of a tenant with two reports, whose ids begin with its own.
pub(crate) fn check(tenant: &str, subject: &str) -> NewEntry {
    NewEntry {
        owner: owner(tenant),
        kind: SubjectKind::Check,
        subject: subject.to_owned(),
        applicant: Some("applicant".to_owned()),
        reports: vec![format!("{subject}-document"), format!("{subject}-face")],
        awaits_itself: false,
        state: LedgerState::Open,
        started: now() - 60_000,
        overdue: now() - 30_000,
        trace: "request".to_owned(),
    }
}

/// The notification of a result.
fn notification(tenant: &str, kind: &str, subject: &str) -> NewEvent {
    let body = format!("{kind} {subject}");
    NewEvent {
        kind: kind.to_owned(),
        resource: Some(subject.to_owned()),
        completed: Some(now() - 1000),
        ..event(tenant, &body, now())
    }
}

/// A result that a look-up has found.
fn found(tenant: &str, kind: &str, subject: &str) -> NewEvent {
    let body = format!("found {kind} {subject}");
    NewEvent {
        kind: kind.to_owned(),
        resource: Some(subject.to_owned()),
        source: Source::Reconciliation,
        ..event(tenant, &body, now())
    }
}

async fn write(store: &Engine, command: Command) -> Effect {
    write_all(&mut *store.writer(), &[command]).await.unwrap()[0]
}

async fn insert(store: &Engine, event: NewEvent) -> Effect {
    write(store, Command::Insert(event)).await
}

async fn entry(store: &Engine, subject: &str) -> LedgerEntry {
    let filter = LedgerFilter { subject: Some(subject.to_owned()), ..LedgerFilter::default() };
    store.reader().ledger_list(&filter, None, 10).await.unwrap().remove(0)
}

async fn events(store: &Engine, resource: &str) -> i64 {
    let filter = Filter { resource: Some(resource.to_owned()), ..Filter::default() };
    store.reader().count(&filter).await.unwrap()
}

/// A check is settled by its own notification, or by those of all its reports; a run by its own.
async fn notifications_settle(store: &Engine) {
    for subject in ["own", "reports", "withdrawn", "foreign"] {
        assert_eq!(write(store, Command::Note(check("acme", subject))).await, Effect::Done);
    }
    // The tenant takes `check.completed`, which says more than its reports.
    let waiting = NewEntry { awaits_itself: true, ..check("acme", "waiting") };
    write(store, Command::Note(waiting)).await;
    let run = NewEntry { kind: SubjectKind::WorkflowRun, reports: Vec::new(), ..check("acme", "run") };
    write(store, Command::Note(run)).await;

    let of_one_report = insert(store, notification("acme", "report.completed", "reports-document")).await;
    let after_one_report = entry(store, "reports").await.state;
    insert(store, notification("acme", "report.completed", "reports-face")).await;
    insert(store, notification("acme", "check.completed", "own")).await;
    insert(store, notification("acme", "check.withdrawn", "withdrawn")).await;
    insert(store, notification("acme", "workflow_run.completed", "run")).await;
    for report in ["waiting-document", "waiting-face"] {
        insert(store, notification("acme", "report.completed", report)).await;
    }
    let without_itself = entry(store, "waiting").await.state;
    insert(store, notification("acme", "check.completed", "waiting")).await;
    let of_other_tenant = insert(store, notification("globex", "check.completed", "foreign")).await;
    let other_kind = insert(store, notification("acme", "check.started", "foreign")).await;

    assert_eq!((of_one_report, after_one_report), (Effect::Settled, LedgerState::Open));
    assert_eq!(without_itself, LedgerState::Open);
    assert_eq!((of_other_tenant, other_kind), (Effect::Done, Effect::Done));
    for (subject, state) in [
        ("reports", LedgerState::Notified),
        ("own", LedgerState::Notified),
        ("waiting", LedgerState::Notified),
        ("withdrawn", LedgerState::Withdrawn),
        ("run", LedgerState::Notified),
        ("foreign", LedgerState::Open),
    ] {
        let entry = entry(store, subject).await;
        assert_eq!((entry.state, entry.settled.is_some()), (state, state != LedgerState::Open), "{subject}");
    }
    let seen = entry(store, "reports-face").await;
    assert_eq!((seen.subject.as_str(), seen.results.len()), ("reports", 3));
    assert_eq!(seen.results[0].state, LedgerState::Open, "the check itself was not notified");
}

/// The notification may be committed before its check is noted, and both may be in one batch.
async fn note_after_notification(store: &Engine) {
    let mut writer = store.writer();
    insert(store, notification("acme", "check.completed", "early")).await;
    insert(store, notification("acme", "report.completed", "half-document")).await;
    let early = write(store, Command::Note(check("acme", "early"))).await;
    let half = write(store, Command::Note(check("acme", "half"))).await;
    let again = write(store, Command::Note(check("acme", "early"))).await;
    let batch = [
        Command::Note(check("acme", "together")),
        Command::Insert(notification("acme", "check.completed", "together")),
    ];
    write_all(&mut *writer, &batch).await.unwrap();
    let synchronous = NewEntry { state: LedgerState::Synchronous, ..check("acme", "synchronous") };
    write(store, Command::Note(synchronous)).await;

    assert_eq!((early, half, again), (Effect::Settled, Effect::Done, Effect::Nothing));
    for (subject, state) in [
        ("early", LedgerState::Notified),
        ("half", LedgerState::Open),
        ("together", LedgerState::Notified),
        ("synchronous", LedgerState::Synchronous),
    ] {
        assert_eq!(entry(store, subject).await.state, state, "{subject}");
    }
    assert_eq!(entry(store, "half").await.results[1].state, LedgerState::Notified);
}

/// A found result and the late notification of it are one event; a result of a reopened check is another one.
async fn found_results(store: &Engine) {
    for subject in ["late", "lost", "race", "reopened", "dead"] {
        write(store, Command::Note(check("acme", subject))).await;
    }

    let first = insert(store, found("acme", "check.completed", "late")).await;
    let twice = insert(store, found("acme", "check.completed", "late")).await;
    let late = insert(store, notification("acme", "check.completed", "late")).await;
    insert(store, notification("acme", "check.completed", "race")).await;
    let superfluous = insert(store, found("acme", "check.completed", "race")).await;
    let unknown = insert(store, found("acme", "check.completed", "never noted")).await;
    insert(store, found("acme", "check.completed", "reopened")).await;
    let completed = Some(now() + 600_000);
    let reopened = NewEvent { completed, ..notification("acme", "check.completed", "reopened") };
    let reopened = insert(store, reopened).await;
    let both = [
        Command::Insert(found("acme", "check.completed", "lost")),
        Command::Insert(notification("acme", "check.completed", "lost")),
    ];
    let both = write_all(&mut *store.writer(), &both).await.unwrap();

    assert_eq!((first, twice, late), (Effect::Settled, Effect::Nothing, Effect::Nothing));
    assert_eq!((superfluous, unknown, reopened), (Effect::Nothing, Effect::Nothing, Effect::Done));
    assert_eq!(both, [Effect::Nothing, Effect::Settled]);
    for (subject, count, state) in [
        ("late", 1, LedgerState::Found),
        ("race", 1, LedgerState::Notified),
        ("lost", 1, LedgerState::Notified),
        ("reopened", 2, LedgerState::Found),
    ] {
        assert_eq!(events(store, subject).await, count, "{subject}");
        assert_eq!(entry(store, subject).await.state, state, "{subject}");
    }
    let due = store.reader().due("acme", now() + 60_000, 100, true, &[]).await.unwrap();
    let sources: Vec<Source> = due.iter().map(|due| due.source).collect();
    assert_eq!(sources.iter().filter(|source| **source == Source::Reconciliation).count(), 2);
    assert!(due.iter().any(|due| due.started.is_some_and(|at| (now() - at - 60_000).abs() < 10_000)));
}

/// A repeated notification can settle a result although its event was deleted: the result then names no event.
async fn duplicate_settles(store: &Engine) {
    let first = notification("acme", "check.completed", "kept");
    let repeated = NewEvent { uid: Uuid::now_v7(), resource: Some("repeated".to_owned()), ..first.clone() };
    write(store, Command::Note(check("acme", "kept"))).await;
    write(store, Command::Note(check("acme", "repeated"))).await;

    let effects = [insert(store, first.clone()).await, insert(store, repeated).await];

    assert_eq!(effects, [Effect::Settled, Effect::Nothing]);
    let (kept, repeated) = (entry(store, "kept").await, entry(store, "repeated").await);
    assert_eq!((kept.state, kept.results[0].event), (LedgerState::Notified, Some(first.uid)));
    assert_eq!((repeated.state, repeated.results[0].event), (LedgerState::Notified, None));
}

/// The late notification of a found result that is dead makes it waiting again, as any repeated notification does.
async fn late_notification_revives(store: &Engine) {
    write(store, Command::Note(check("acme", "dead"))).await;
    insert(store, found("acme", "check.completed", "dead")).await;
    let due = store.reader().due("acme", now() + 60_000, 9, true, &[]).await.unwrap();
    write(store, finish(&due[0], Next::Dead(DeadReason::Rejected))).await;

    let late = insert(store, notification("acme", "check.completed", "dead")).await;

    assert_eq!((late, events(store, "dead").await), (Effect::Revived, 1));
    assert_eq!(store.reader().backlog().await.unwrap()[0].events, 1);
    let withdrawn = insert(store, notification("acme", "check.withdrawn", "dead")).await;
    assert_eq!(
        (withdrawn, events(store, "dead").await),
        (Effect::Done, 2),
        "it is no repetition of the result"
    );
}

on_both_engines! {
    notifications_settle, notifications_settle_entries_in_sqlite, notifications_settle_entries_in_postgres;
    note_after_notification, note_after_its_notification_is_settled_in_sqlite,
        note_after_its_notification_is_settled_in_postgres;
    found_results, found_result_and_late_notification_are_one_event_in_sqlite,
        found_result_and_late_notification_are_one_event_in_postgres;
    late_notification_revives, late_notification_revives_a_dead_found_event_in_sqlite,
        late_notification_revives_a_dead_found_event_in_postgres;
    duplicate_settles, duplicate_settles_without_an_event_in_sqlite,
        duplicate_settles_without_an_event_in_postgres;
}
