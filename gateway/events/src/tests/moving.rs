//! Many events at a time: from one store to another, in bites, and a start that was cut short.

use super::*;

async fn all_records(reader: &mut dyn Reader) -> Vec<Record> {
    reader.records(&Filter::default(), 0, 1000).await.unwrap()
}

/// What must be the same in both stores; times of the database are only as exact as two clocks are.
fn essence(record: &Record) -> (Uuid, String, Vec<u8>, Option<Vec<u8>>, Vec<String>) {
    let tries = record.tries.iter().map(|attempt| {
        let sealed = attempt.answer.as_ref().unwrap();
        let answer = keyring().open_answer(record.listed.uid, &record.owner, sealed).unwrap();
        format!(
            "{:?} {:?} {} {}",
            attempt.status,
            attempt.error,
            attempt.took_ms,
            String::from_utf8_lossy(&answer)
        )
    });
    let Listed { uid, tenant, state, reason, attempts, .. } = &record.listed;
    let standing = format!("{tenant} {state:?} {reason:?} {attempts}");
    (*uid, standing, record.body.bytes.clone(), record.dedup.clone(), tries.collect())
}

#[test]
fn what_a_file_has_a_database_takes_in_as_it_stands_and_only_once() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = store(folder.path()).await;
        let (mut writer, mut reader) = (file.writer(), file.reader());
        let new: Vec<Command> = (0..6)
            .map(|n| Command::Insert(event(["acme", "globex"][n % 2], &n.to_string(), now() - 60_000)))
            .collect();
        written(&mut writer, &new).await.unwrap();
        let due = reader.due("acme", now(), 3, true, &[]).await.unwrap();
        let later = Next::Waiting { due: now() + 3_600_000, counted: true };
        let ends = [Next::Delivered, Next::Dead(DeadReason::Rejected), later];
        let ends: Vec<Command> = due.iter().zip(ends).map(|(due, next)| finish(due, next)).collect();
        written(&mut writer, &ends).await.unwrap();
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        database.prepare().await.unwrap();

        let records = all_records(&mut reader).await;
        let copied = database.adopt(&records).await.unwrap();
        // The copy breaks off, the file is used again, and copied again.
        let before = database.reader().due("globex", now(), 9, true, &[]).await.unwrap();
        let waits = reader.due("globex", now(), 1, true, &[]).await.unwrap();
        written(&mut writer, &[finish(&waits[0], Next::Delivered)]).await.unwrap();
        let records = all_records(&mut reader).await;
        let again = database.adopt(&records).await.unwrap();
        database.release_adopted().await.unwrap();
        let there = all_records(&mut database.reader()).await;

        // What waits is taken over anew, and nothing of it was to be had before the end.
        assert_eq!((records.len(), copied, again, before.len()), (6, 6, 4, 0));
        let sorted = |records: &[Record]| {
            let mut all: Vec<_> = records.iter().map(essence).collect();
            all.sort_by_key(|record| record.0);
            all
        };
        assert_eq!(sorted(&there), sorted(&records));
        let find = |uid| there.iter().find(|record| record.listed.uid == uid).unwrap();
        for record in &records {
            let copy = find(record.listed.uid);
            for (ours, theirs) in [
                (record.listed.due, copy.listed.due),
                (record.listed.received, copy.listed.received),
                (record.since, copy.since),
            ] {
                assert!((ours - theirs).abs() < 5_000, "{ours} became {theirs}");
            }
        }
        assert_eq!(database.reader().due("globex", now(), 9, true, &[]).await.unwrap().len(), 2);
        assert_eq!(database.adopt(&records).await.unwrap(), 0, "what a gateway may have is left alone");
    });
}

#[test]
fn events_with_many_tries_fit_into_a_database_too() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = store(folder.path()).await;
        let (mut writer, mut reader) = (file.writer(), file.reader());
        let new: Vec<Command> =
            (0..200).map(|n| Command::Insert(event("acme", &n.to_string(), now()))).collect();
        written(&mut writer, &new).await.unwrap();
        for _ in 0..60 {
            let due = reader.due("acme", now() + 1000, 1000, true, &[]).await.unwrap();
            let again = Next::Waiting { due: now(), counted: true };
            let ends: Vec<Command> = due.iter().map(|due| finish(due, again)).collect();
            written(&mut writer, &ends).await.unwrap();
        }
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        database.prepare().await.unwrap();

        let records = all_records(&mut reader).await;
        let copied = database.adopt(&records).await.unwrap();

        let there = all_records(&mut database.reader()).await;
        assert_eq!((copied, there.len()), (200, 200));
        assert!(there.iter().all(|record| record.tries.len() == 60 && record.listed.attempts == 60));
    });
}

/// Replays and discards in as many bites as it takes.
async fn bites(store: &Engine) {
    const EVENTS: i64 = PAGE * 2 + 7;
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let new: Vec<Command> =
        (0..EVENTS).map(|n| Command::Insert(event("acme", &n.to_string(), now()))).collect();
    for batch in new.chunks(500) {
        written(&mut *writer, batch).await.unwrap();
    }
    for (state, bites) in [(State::Waiting, 3), (State::Dead, 0), (State::Waiting, 3)] {
        let filter = Filter { state: Some(state), tenant: Some("acme".to_owned()), ..Filter::default() };
        let mut seen = Vec::new();
        let mut progress = Progress::default();
        loop {
            // The last round gives everything up, the others send it again, a second apart.
            let change = match (state, seen.len()) {
                (State::Waiting, _) if bites == 3 => {
                    Command::Replay { filter: filter.clone(), now: now(), per_second: 1, progress }
                }
                _ => Command::Discard { filter: filter.clone(), now: now(), progress },
            };
            match written(&mut *writer, &[change]).await.unwrap()[..] {
                [Effect::Changed(next)] if next.after > progress.after => {
                    seen.push(next.changed - progress.changed);
                    progress = next;
                }
                _ => break,
            }
        }
        assert_eq!((seen.len(), seen.iter().sum::<i64>()), (bites, if bites > 0 { EVENTS } else { 0 }));
    }
    let last = reader.list(&Filter::default(), 1).await.unwrap();
    let ahead = last[0].due - now();
    assert!((ahead - (EVENTS - 1) * 1000).abs() < 60_000, "the last one is due {ahead} ms from now");
}

#[test]
fn a_replay_of_many_events_keeps_its_pace_over_all_bites() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        bites(&Engine::Sqlite(store(folder.path()).await)).await;
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        database.prepare().await.unwrap();
        bites(&Engine::Postgres(database)).await;
    });
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let keys = KeySource { current: None, previous: None };
    let store = Sqlite::new(&path, SIZE);

    store.draft().await.unwrap();
    std::fs::write(folder.path().join("events.db.new"), "half").unwrap();
    assert!(keys.may_begin(&path), "nothing but a draft is there");
    store.draft().await.unwrap();
    let first = keys.keyring(Some(&path), None).unwrap();
    // It dies here: key and draft are there, the store is not.
    assert!(!keys.may_begin(&path));
    let second = keys.keyring(Some(&path), None).unwrap();
    store.prepare().await.unwrap();
    written(&mut store.writer(), &[Command::Insert(event("acme", "a", 0))]).await.unwrap();

    assert_eq!(first.dedup(&owner("acme"), b"a"), second.dedup(&owner("acme"), b"a"));
    assert!(path.exists() && !folder.path().join("events.db.new").exists());
    std::fs::remove_file(&path).unwrap();
    assert!(keys.keyring(Some(&path), None).is_err(), "a store that is lost is not begun anew");
    std::fs::write(folder.path().join("events.db.lock"), "").unwrap();
    let gone = store.prepare().await.unwrap_err();
    assert!(matches!(gone, OpenError::StoreGone { .. }), "nor is one whose key is elsewhere: {gone}");
}

#[test]
fn what_a_database_has_taken_is_known_although_the_rest_of_its_batch_fails() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        store.prepare().await.unwrap();
        let mut writer = store.writer();
        written(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();
        let due = all_due(&mut store.reader(), "acme").await;
        // No database takes a NUL in a text.
        let bad = Attempt {
            at: 0,
            took_ms: 0,
            status: None,
            error: Some("\0".to_owned()),
            failure: None,
            answer: None,
        };
        let bad = Finish { claim: due[0].claim, attempt: bad, next: Next::Delivered };

        let effects = writer.write(&[Command::Insert(event("acme", "b", 0)), Command::Finish(bad)]).await;
        let after = written(&mut writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();

        assert!(matches!(effects[..], [Ok(Effect::Done), Err(_)]), "{effects:?}");
        assert_eq!(after, [Effect::Done]);
    });
}
