//! Many events at once: the copy from SQLite to PostgreSQL, and commands that need several pages. Also interrupted first
//! starts, and batches of which one command fails.

use super::*;

async fn all_records(reader: &mut dyn Reader) -> Vec<Record> {
    reader.records(&Filter::default(), 0, 1000).await.unwrap()
}

/// The fields that must be equal in both stores. Times are compared with a tolerance, because the stores use two clocks.
fn without_times(record: &Record) -> (Uuid, String, Vec<u8>, Option<Vec<u8>>, Vec<String>) {
    let history = record.attempts.iter().map(|attempt| {
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
    let ListedEvent { uid, tenant, state, reason, attempts, .. } = &record.listed;
    let state = format!("{tenant} {state:?} {reason:?} {attempts}");
    (*uid, state, record.body.bytes.clone(), record.dedup.clone(), history.collect())
}

#[test]
fn copy_imports_events_with_their_states_and_only_once() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = store(folder.path()).await;
        let (mut writer, mut reader) = (file.writer(), file.reader());
        let new: Vec<Command> = (0..6)
            .map(|n| Command::Insert(event(["acme", "globex"][n % 2], &n.to_string(), now() - 60_000)))
            .collect();
        write_all(&mut writer, &new).await.unwrap();
        let due = reader.due("acme", now(), 3, true, &[]).await.unwrap();
        let later = Next::Waiting { due: now() + 3_600_000, counted: true };
        let results = [Next::Delivered, Next::Dead(DeadReason::Rejected), later];
        let results: Vec<Command> = due.iter().zip(results).map(|(due, next)| finish(due, next)).collect();
        write_all(&mut writer, &results).await.unwrap();
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        database.prepare().await.unwrap();

        let records = all_records(&mut reader).await;
        let copied = database.import(&records).await.unwrap();
        // The first copy is interrupted. The gateway uses the file again, and a second copy follows.
        let before = database.reader().due("globex", now(), 9, true, &[]).await.unwrap();
        let waits = reader.due("globex", now(), 1, true, &[]).await.unwrap();
        write_all(&mut writer, &[finish(&waits[0], Next::Delivered)]).await.unwrap();
        let records = all_records(&mut reader).await;
        let again = database.import(&records).await.unwrap();
        database.release_imported().await.unwrap();
        let imported = all_records(&mut database.reader()).await;

        // The second import updates the four events that waited; none of them could be claimed before the copy was
        // complete.
        assert_eq!((records.len(), copied, again, before.len()), (6, 6, 4, 0));
        let sorted = |records: &[Record]| {
            let mut all: Vec<_> = records.iter().map(without_times).collect();
            all.sort_by_key(|record| record.0);
            all
        };
        assert_eq!(sorted(&imported), sorted(&records));
        let find = |uid| imported.iter().find(|record| record.listed.uid == uid).unwrap();
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
        assert_eq!(
            database.import(&records).await.unwrap(),
            0,
            "events that a gateway may have claimed are not updated"
        );
    });
}

#[test]
fn events_with_many_attempts_are_imported() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = store(folder.path()).await;
        let (mut writer, mut reader) = (file.writer(), file.reader());
        let new: Vec<Command> =
            (0..200).map(|n| Command::Insert(event("acme", &n.to_string(), now()))).collect();
        write_all(&mut writer, &new).await.unwrap();
        for _ in 0..60 {
            let due = reader.due("acme", now() + 1000, 1000, true, &[]).await.unwrap();
            let again = Next::Waiting { due: now(), counted: true };
            let results: Vec<Command> = due.iter().map(|due| finish(due, again)).collect();
            write_all(&mut writer, &results).await.unwrap();
        }
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        database.prepare().await.unwrap();

        let records = all_records(&mut reader).await;
        let copied = database.import(&records).await.unwrap();

        let imported = all_records(&mut database.reader()).await;
        assert_eq!((copied, imported.len()), (200, 200));
        assert!(imported.iter().all(|record| record.attempts.len() == 60 && record.listed.attempts == 60));
    });
}

/// Replays and discards events until no page is left.
async fn replay_and_discard_pages(store: &Engine) {
    const EVENTS: i64 = PAGE * 2 + 7;
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let new: Vec<Command> =
        (0..EVENTS).map(|n| Command::Insert(event("acme", &n.to_string(), now()))).collect();
    for batch in new.chunks(500) {
        write_all(&mut *writer, batch).await.unwrap();
    }
    for (state, pages) in [(State::Waiting, 3), (State::Dead, 0), (State::Waiting, 3)] {
        let filter = Filter { state: Some(state), tenant: Some("acme".to_owned()), ..Filter::default() };
        let mut seen = Vec::new();
        let mut progress = Progress::default();
        loop {
            // The waiting events are replayed, one second apart; there are no dead events to discard.
            let command = match (state, seen.len()) {
                (State::Waiting, _) if pages == 3 => {
                    Command::Replay { filter: filter.clone(), now: now(), per_second: 1, progress }
                }
                _ => Command::Discard { filter: filter.clone(), now: now(), progress },
            };
            match write_all(&mut *writer, &[command]).await.unwrap()[..] {
                [Effect::Changed(next)] if next.after > progress.after => {
                    seen.push(next.changed - progress.changed);
                    progress = next;
                }
                _ => break,
            }
        }
        assert_eq!((seen.len(), seen.iter().sum::<i64>()), (pages, if pages > 0 { EVENTS } else { 0 }));
    }
    let last = reader.list(&Filter::default(), 1).await.unwrap();
    let ahead = last[0].due - now();
    assert!((ahead - (EVENTS - 1) * 1000).abs() < 60_000, "the last one is due {ahead} ms from now");
}

#[test]
fn replay_of_several_pages_keeps_its_rate() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        replay_and_discard_pages(&Engine::Sqlite(store(folder.path()).await)).await;
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        database.prepare().await.unwrap();
        replay_and_discard_pages(&Engine::Postgres(database)).await;
    });
}

#[tokio::test]
async fn interrupted_first_start_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let keys = KeySource { current: None, previous: None };
    let store = Sqlite::new(&path, SIZE);

    store.draft().await.unwrap();
    std::fs::write(folder.path().join("events.db.new"), "half").unwrap();
    assert!(keys.may_create(&path), "only a draft exists");
    store.draft().await.unwrap();
    let first = keys.keyring(Some(&path), None).unwrap();
    // The process ends here: the key and the draft exist, the store does not.
    assert!(!keys.may_create(&path));
    let second = keys.keyring(Some(&path), None).unwrap();
    store.prepare().await.unwrap();
    write_all(&mut store.writer(), &[Command::Insert(event("acme", "a", 0))]).await.unwrap();

    assert_eq!(first.dedup(&owner("acme"), b"a"), second.dedup(&owner("acme"), b"a"));
    assert!(path.exists() && !folder.path().join("events.db.new").exists());
    std::fs::remove_file(&path).unwrap();
    assert!(keys.keyring(Some(&path), None).is_err(), "no empty store replaces a lost one");
    std::fs::write(folder.path().join("events.db.lock"), "").unwrap();
    let gone = store.prepare().await.unwrap_err();
    assert!(matches!(gone, OpenError::StoreGone { .. }), "nor one whose key is stored elsewhere: {gone}");
}

#[test]
fn commands_before_a_failed_one_are_committed_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        store.prepare().await.unwrap();
        let mut writer = store.writer();
        write_all(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();
        let due = all_due(&mut store.reader(), "acme").await;
        // PostgreSQL refuses a NUL character in a text.
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
        let after = write_all(&mut writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();

        assert!(matches!(effects[..], [Ok(Effect::Done), Err(_)]), "{effects:?}");
        assert_eq!(after, [Effect::Done]);
    });
}
