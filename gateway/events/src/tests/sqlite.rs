//! SQLite alone: batches, damaged files, integrity checks and jumps of the clock.

use super::*;

#[tokio::test]
async fn duplicate_within_a_batch_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mut writer = store.writer();
    let batch: Vec<Command> =
        ["a", "b", "a", "c"].map(|body| Command::Insert(event("acme", body, 0))).into_iter().collect();

    let effects = write_all(&mut writer, &batch).await.unwrap();

    assert_eq!(effects, [Effect::Done, Effect::Done, Effect::Nothing, Effect::Done]);
    assert_eq!(all_due(&mut store.reader(), "acme").await.len(), 3);
}

#[tokio::test]
async fn full_store_refuses_events_until_others_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let small = Sqlite::new(&folder.path().join("events.db"), 200 * 1024);
    small.prepare().await.unwrap();
    let mut writer = small.writer();
    let body = "x".repeat(20_000);
    let mut stored = 0;
    let refused = loop {
        let new = Command::Insert(event("acme", &format!("{stored}{body}"), stored));
        match write_all(&mut writer, &[new]).await.unwrap()[..] {
            [Effect::Done] => stored += 1,
            ref other => break other.to_vec(),
        }
    };

    let kept = all_due(&mut small.reader(), "acme").await;
    write_all(&mut writer, &kept.iter().map(|due| finish(due, Next::Delivered)).collect::<Vec<_>>())
        .await
        .unwrap();
    let sweep = Command::DeleteExpired(RetentionLimits { keys: i64::MAX, delivered: i64::MAX, dead: None });
    write_all(&mut writer, &[sweep]).await.unwrap();
    let again = write_all(&mut writer, &[Command::Insert(event("acme", &body, 0))]).await;

    assert_eq!((refused, again.unwrap()), (vec![Effect::Full], vec![Effect::Done]));
    assert!(stored > 0 && kept.len() == usize::try_from(stored).unwrap());
}

#[tokio::test]
async fn damaged_or_foreign_file_is_refused_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let store = store(folder.path()).await;
    let events: Vec<Command> =
        (0..200).map(|n| Command::Insert(event("acme", &format!("{n} {}", "x".repeat(500)), n))).collect();
    write_all(&mut store.writer(), &events).await.unwrap();
    let other = Keyring::new(&Secret::new("11".repeat(32)), &[]).unwrap();

    let unknown_key = store.check_keys(&other).await.unwrap_err();
    store.close().await.unwrap();
    let intact = std::fs::read(&path).unwrap();
    // In another folder, because a connection that closes late may still write to the first file.
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("events.db");
    let store = Sqlite::new(&path, SIZE);
    let mut torn = intact.clone();
    let middle = torn.len() / 2 / 4096 * 4096;
    torn[middle..middle + 4096].fill(0xA5);
    std::fs::write(&path, &torn).unwrap();
    store.prepare().await.unwrap();
    let found = store.check_integrity(|| true).await.unwrap();
    let damaged = store.prepare().await.unwrap_err();
    std::fs::write(&path, &intact).unwrap();
    let restored = store.prepare().await;
    std::fs::write(&path, b"this is no database").unwrap();
    let foreign = store.prepare().await.unwrap_err();

    assert!(matches!(unknown_key, OpenError::KeyUnknown { .. }), "{unknown_key}");
    assert!(matches!(found, Integrity::Damaged(_)), "{found:?}");
    assert!(matches!(damaged, OpenError::Damaged { .. }), "a marked file is checked at start: {damaged}");
    assert!(restored.is_ok() && !elsewhere.path().join("events.db.damaged").exists());
    assert!(matches!(foreign, OpenError::Damaged { .. }), "{foreign}");
    assert_eq!(std::fs::read(&path).unwrap(), b"this is no database");
}

/// Regression: the start read every page of the file, which took 6.7 s for 791 MiB with a warm cache and 16.3 s with a cold
/// one.
#[tokio::test]
async fn integrity_check_can_be_cancelled_and_finds_no_damage_in_an_intact_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let events: Vec<Command> =
        (0..2000).map(|n| Command::Insert(event("acme", &format!("{n} {}", "x".repeat(500)), n))).collect();
    write_all(&mut store.writer(), &events).await.unwrap();

    let interrupted = store.check_integrity(|| false).await.unwrap();
    let intact = store.check_integrity(|| true).await.unwrap();

    assert_eq!((interrupted, intact), (Integrity::Interrupted, Integrity::Intact));
}

#[tokio::test]
async fn no_file_of_the_store_contains_the_text_of_a_body() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;

    // The last connection deletes the write-ahead log when it closes, so the writer stays open.
    let mut writer = store.writer();
    write_all(&mut writer, &[Command::Insert(event("acme", "canary-body", 0))]).await.unwrap();

    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"canary"));
    }
    drop(writer);
}

/// A jump of a week, forward or backward, shifts the ages of waiting events. An event that was received after the jump
/// keeps its age.
#[tokio::test]
async fn ages_are_shifted_page_by_page_after_a_clock_jump() {
    const WEEK: Millis = 7 * 24 * 3600 * 1000;
    for by in [WEEK, -WEEK] {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let mut writer = store.writer();
        let (before, after) = (2 * WEEK, 2 * WEEK + by);
        let old: Vec<Command> =
            (0..6000).map(|n| Command::Insert(event("acme", &n.to_string(), before - 1000))).collect();
        write_all(&mut writer, &old).await.unwrap();
        write_all(&mut writer, &[Command::Insert(event("acme", "new", after))]).await.unwrap();

        let mut progress = Progress::default();
        let mut steps = 0;
        loop {
            let shift = Command::ShiftTimes { by, now: after, progress };
            match write_all(&mut writer, &[shift]).await.unwrap()[0] {
                Effect::Changed(next) if next.after > progress.after => progress = next,
                _ => break,
            }
            steps += 1;
        }
        let due = store.reader().due("acme", i64::MAX, 10_000, true, &[]).await.unwrap();
        let ages: std::collections::BTreeSet<Millis> = due.iter().map(|due| after - due.received).collect();

        assert_eq!((due.len(), steps), (6001, 31));
        assert_eq!(ages.into_iter().collect::<Vec<_>>(), [0, 1000], "by {by}");
    }
}

/// The clock went back by a week: results were looked up, and overdue, a week late.
#[tokio::test]
async fn ledger_is_shifted_back_after_a_clock_jump() {
    const WEEK: Millis = 7 * 24 * 3600 * 1000;
    let entry = |subject: &str, started: Millis| NewEntry {
        started,
        overdue: started + 900,
        ..check("acme", subject)
    };
    let (before, after) = (3 * WEEK, 2 * WEEK);
    for (by, expected) in [
        // Started long ago, and looked up once: only the next look-up was in the future.
        (
            -WEEK,
            [
                ("old", WEEK, WEEK + 900, after + 5000),
                ("recent", after - 1000, after - 100, after - 100),
                ("since", after - 10, after + 890, after + 890),
            ],
        ),
        (
            WEEK,
            [
                ("old", WEEK, WEEK + 900, before + 5000),
                ("recent", before - 1000, before - 100, before - 100),
                ("since", after - 10, after + 890, after + 890),
            ],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let mut writer = store.writer();
        // The last one is noted after a backward jump, and before it is noticed.
        let entries = [("old", WEEK), ("recent", before - 1000), ("since", after - 10)];
        let notes = entries.map(|(subject, started)| Command::Note(entry(subject, started)));
        write_all(&mut writer, &notes).await.unwrap();
        let looked_up = LookedUp { id: 1, next: before + 5000, missing: 0, error: None, is_answered: true };
        write_all(&mut writer, &[Command::LookedUp(looked_up)]).await.unwrap();

        let now = if by < 0 { after } else { before + WEEK };
        write_all(&mut writer, &[Command::ShiftLedger { by, now, progress: Progress::default() }])
            .await
            .unwrap();
        let entries = store.reader().ledger_records(0, 9).await.unwrap();

        let times = entries.iter().map(|one| (one.subject.as_str(), one.started, one.overdue, one.due));
        assert_eq!(times.collect::<Vec<_>>(), expected, "by {by}");
    }
}

/// Regression: the clock went back by a week, and an event that was received before the next commit counted as a week
/// old, so its first failed attempt was its last. A batch inserts its new events before it applies its other commands.
#[tokio::test]
async fn event_received_during_a_clock_jump_keeps_its_age() {
    const WEEK: Millis = 7 * 24 * 3600 * 1000;
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mut writer = store.writer();
    let (before, after) = (3 * WEEK, 2 * WEEK);
    write_all(&mut writer, &[Command::Insert(event("acme", "old", before - 1000))]).await.unwrap();

    let mut progress = Progress::default();
    for (name, now) in [("first", after), ("second", after + 10)] {
        // The event was received while the command waited in the queue of the writer.
        let new = Command::Insert(event("acme", name, now + 5));
        let shift = Command::ShiftTimes { by: -WEEK, now, progress };
        if let Effect::Changed(next) = write_all(&mut writer, &[shift, new]).await.unwrap()[0] {
            progress = next;
        }
    }
    let due = store.reader().due("acme", i64::MAX, 10, true, &[]).await.unwrap();
    let mut received: Vec<Millis> = due.iter().map(|due| due.received).collect();
    received.sort_unstable();

    assert_eq!(received, [after - 1000, after + 5, after + 15]);
}
