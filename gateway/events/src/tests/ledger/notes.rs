//! Notes of many checks in one batch.

use super::*;

/// A batch may have more entries than one statement inserts, entries twice, and some that are noted or notified already.
async fn notes_of_a_batch(store: &Engine) {
    write(store, Command::Note(check("acme", "noted"))).await;
    insert(store, notification("acme", "check.completed", "notified")).await;
    insert(store, notification("globex", "report.completed", "of another-face")).await;
    let mut subjects: Vec<String> = (0..100).map(|number| format!("check {number}")).collect();
    for subject in ["noted", "notified", "check 7", "of another", "check 99"] {
        subjects.push(subject.to_owned());
    }
    let mut batch: Vec<Command> =
        subjects.iter().map(|subject| Command::Note(check("acme", subject))).collect();
    // The same id of another tenant is another entry.
    batch.push(Command::Note(check("globex", "check 7")));
    // A report that Onfido names twice is one result.
    let twice = NewEntry { reports: vec!["r".to_owned(), "r".to_owned()], ..check("acme", "twice") };
    batch.push(Command::Note(twice));

    let effects = write_all(&mut *store.writer(), &batch).await.unwrap();

    assert!(effects[..100].iter().all(|effect| *effect == Effect::Done), "{effects:?}");
    let [noted, notified, repeated, of_another, again] = effects[100..105] else { panic!("{effects:?}") };
    assert_eq!((noted, notified, repeated), (Effect::Nothing, Effect::Settled, Effect::Nothing));
    assert_eq!((of_another, again, &effects[105..]), (Effect::Done, Effect::Nothing, &[Effect::Done; 2][..]));
    let entries = store.reader().ledger_records(0, 1000).await.unwrap();
    assert_eq!(entries.len(), 100 + 5);
    let waits =
        |entry: &LedgerEntry| entry.state == LedgerState::Open && entry.results[0].state == LedgerState::Open;
    assert_eq!(entries.iter().filter(|entry| waits(entry)).count(), 100 + 4);
    for entry in entries.iter().filter(|entry| entry.subject != "twice") {
        let results: Vec<&str> = entry.results.iter().map(|result| result.subject.as_str()).collect();
        let subject = &entry.subject;
        assert_eq!(results, [subject, &format!("{subject}-document"), &format!("{subject}-face")]);
    }
    assert_eq!(entry(store, "twice").await.results.len(), 2);
}

on_both_engines! {
    notes_of_a_batch, notes_of_a_batch_are_inserted_together_in_sqlite,
        notes_of_a_batch_are_inserted_together_in_postgres;
}
