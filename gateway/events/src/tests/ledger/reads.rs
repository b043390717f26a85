//! What is read of the ledger: what is due, lists, copies.

use super::*;

/// Look-ups: what is due, back-off, named ends, counts.
async fn look_ups(store: &Engine) {
    let later = NewEntry { overdue: now() + 3_600_000, ..check("acme", "later") };
    // Apart by more than the time that a statement takes, by which PostgreSQL's clock is later than that of the note.
    let second = NewEntry { overdue: now() - 15_000, ..check("acme", "b") };
    for new in [check("acme", "a"), second, check("globex", "c"), later] {
        write(store, Command::Note(new)).await;
    }
    let mut reader = store.reader();
    let lease = Duration::ZERO;

    let due = reader.ledger_due("acme", now(), 10, lease).await.unwrap();
    let counts = reader.ledger_counts(now()).await.unwrap();
    let next = now() + 60_000;
    let looked_up =
        LookedUp { id: due[0].id, next, missing: 2, error: Some("timeout".to_owned()), is_answered: true };
    write(store, Command::LookedUp(looked_up.clone())).await;
    // Onfido did not answer: that does not count.
    write(store, Command::LookedUp(LookedUp { is_answered: false, ..looked_up })).await;
    let end = EntryEnd { id: due[1].id, state: LedgerState::Deleted, now: now() };
    let ended = write(store, Command::EndEntry(end)).await;
    let ended_again = write(store, Command::EndEntry(end)).await;
    let left = reader.ledger_due("acme", now(), 10, lease).await.unwrap();
    let again = reader.ledger_due("acme", next + 1000, 10, lease).await.unwrap();

    assert_eq!(due.iter().map(|entry| entry.subject.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let acme = counts.iter().find(|counts| counts.tenant == "acme").unwrap();
    assert_eq!((acme.open, acme.overdue), (3, 2));
    assert!(acme.overdue_since.is_some_and(|at| (now() - at - 30_000).abs() < 10_000), "{acme:?}");
    assert_eq!((ended, ended_again), (Effect::Done, Effect::Nothing));
    assert!(left.is_empty());
    assert_eq!(again.len(), usize::from(store.uses_model_clock()), "PostgreSQL has its own clock");
    let looked_up = entry(store, "a").await;
    assert_eq!((looked_up.lookups, looked_up.missing, looked_up.error.as_deref()), (1, 2, Some("timeout")));
    assert_eq!(entry(store, "b").await.state, LedgerState::Deleted);
}

/// Regression: an entry for which Onfido did not answer came before those that were never looked up, again and again.
async fn unanswered_look_up(store: &Engine) {
    let older = NewEntry { overdue: now() - 600_000, ..check("acme", "unanswered") };
    for new in [older, check("acme", "new")] {
        write(store, Command::Note(new)).await;
    }
    let mut reader = store.reader();
    let first = reader.ledger_due("acme", now(), 1, Duration::ZERO).await.unwrap().remove(0);
    let error = Some("unavailable".to_owned());
    let unanswered = LookedUp { id: first.id, next: now() - 300_000, missing: 0, error, is_answered: false };
    write(store, Command::LookedUp(unanswered)).await;

    let due = reader.ledger_due("acme", now(), 1, Duration::ZERO).await.unwrap();
    let all = reader.ledger_due("acme", now() + 1000, 9, Duration::ZERO).await.unwrap();

    let subjects = |entries: &[LedgerEntry]| {
        entries.iter().map(|entry| entry.subject.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((first.subject.as_str(), subjects(&due).as_str()), ("unanswered", "new"));
    assert_eq!(subjects(&all), "new unanswered");
}

/// Lists by page and filter, and deletion of old entries with their results.
async fn lists_and_retention(store: &Engine) {
    let begin = now();
    for (number, subject) in (0..5).zip(["a", "b", "c", "d", "e"]) {
        let started = begin - 100_000 + number * 10_000;
        write(store, Command::Note(NewEntry { started, ..check("acme", subject) })).await;
    }
    insert(store, notification("acme", "check.completed", "c")).await;
    let mut reader = store.reader();
    let names = |entries: &[LedgerEntry]| {
        entries.iter().map(|entry| entry.subject.clone()).collect::<Vec<_>>().join(" ")
    };

    let first = reader.ledger_list(&LedgerFilter::default(), None, 2).await.unwrap();
    let cursor = Cursor { received: first[1].started, id: first[1].id };
    let second = reader.ledger_list(&LedgerFilter::default(), Some(cursor), 2).await.unwrap();
    let open = LedgerFilter { state: Some(LedgerState::Open), ..LedgerFilter::default() };
    let open = reader.ledger_oldest(&open, 9).await.unwrap();
    let gaps = LedgerFilter { overdue_before: Some(begin - 31_000), ..LedgerFilter::default() };
    let gaps = reader.ledger_oldest(&gaps, 9).await.unwrap();
    write(store, Command::DeleteEntries { before: begin - 75_000 }).await;
    let records = reader.ledger_records(0, 9).await.unwrap();

    assert_eq!((names(&first), names(&second)), ("e d".to_owned(), "c b".to_owned()));
    assert_eq!((names(&open), names(&gaps)), ("a b d e".to_owned(), String::new()));
    assert_eq!(names(&records), "d e");
}

/// The results of a look-up settle their entry before its end is recorded: the look-up counts, and the check's own result, of
/// which its tenant takes no notification, is known, too.
async fn look_up_that_finds_counts(store: &Engine) {
    write(store, Command::Note(check("acme", "reports"))).await;
    for report in ["reports-document", "reports-face"] {
        insert(store, found("acme", "report.completed", report)).await;
    }
    let (id, settled) = (entry(store, "reports").await.id, entry(store, "reports").await.settled);

    let end = EntryEnd { id, state: LedgerState::Found, now: now() };
    let ended = write(store, Command::EndEntry(end)).await;

    let shown = entry(store, "reports").await;
    assert_eq!((ended, shown.state, shown.lookups), (Effect::Nothing, LedgerState::Found, 1));
    assert_eq!(shown.settled, settled);
    assert!(shown.results.iter().all(|result| result.state == LedgerState::Found), "{:?}", shown.results);
}

on_both_engines! {
    look_up_that_finds_counts, look_up_that_finds_results_counts_in_sqlite,
        look_up_that_finds_results_counts_in_postgres;
    unanswered_look_up, unanswered_look_up_goes_behind_new_entries_in_sqlite,
        unanswered_look_up_goes_behind_new_entries_in_postgres;
    look_ups, look_ups_back_off_and_end_in_sqlite, look_ups_back_off_and_end_in_postgres;
    lists_and_retention, lists_have_pages_and_old_entries_end_in_sqlite,
        lists_have_pages_and_old_entries_end_in_postgres;
}

/// `events copy` takes the ledger along: a late notification of a found result stays a duplicate.
#[test]
fn copied_ledger_is_that_of_the_file() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = Engine::Sqlite(store(folder.path()).await);
        for subject in ["open", "found"] {
            write(&file, Command::Note(check("acme", subject))).await;
        }
        insert(&file, found("acme", "check.completed", "found")).await;
        let database = Postgres::new(Secret::new(server.url()), Duration::ZERO);
        database.prepare().await.unwrap();

        let events = file.reader().records(&Filter::default(), 0, 9).await.unwrap();
        let entries = file.reader().ledger_records(0, 9).await.unwrap();
        database.import(&events).await.unwrap();
        for _ in 0..2 {
            database.import_entries(&entries).await.unwrap();
        }
        let database = Engine::Postgres(database);
        let copied = database.reader().ledger_records(0, 9).await.unwrap();
        let late = insert(&database, notification("acme", "check.completed", "found")).await;

        let shown = |entries: &[LedgerEntry]| {
            let of_entry = |entry: &LedgerEntry| {
                let results =
                    entry.results.iter().map(|result| (result.subject.clone(), result.state, result.event));
                (entry.subject.clone(), entry.state, entry.owner.clone(), results.collect::<Vec<_>>())
            };
            entries.iter().map(of_entry).collect::<Vec<_>>()
        };
        assert_eq!(shown(&copied), shown(&entries));
        assert_eq!(late, Effect::Nothing);
        let difference = copied[0].started - entries[0].started;
        assert!(difference.abs() < 10_000, "{difference} ms");
    });
}
