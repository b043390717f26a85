//! SQLite, in a folder of its own.

use super::*;

#[tokio::test]
async fn one_batch_is_one_commit_and_knows_its_own_duplicates() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mut writer = store.writer();
    let batch: Vec<Command> =
        ["a", "b", "a", "c"].map(|body| Command::Insert(event("acme", body, 0))).into_iter().collect();

    let effects = written(&mut writer, &batch).await.unwrap();

    assert_eq!(effects, [Effect::Done, Effect::Done, Effect::Nothing, Effect::Done]);
    assert_eq!(all_due(&mut store.reader(), "acme").await.len(), 3);
}

#[tokio::test]
async fn a_full_store_refuses_and_the_same_writer_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let small = Sqlite::new(&folder.path().join("events.db"), 200 * 1024);
    small.prepare().await.unwrap();
    let mut writer = small.writer();
    let body = "x".repeat(20_000);
    let mut stored = 0;
    let refused = loop {
        let new = Command::Insert(event("acme", &format!("{stored}{body}"), stored));
        match written(&mut writer, &[new]).await.unwrap()[..] {
            [Effect::Done] => stored += 1,
            ref other => break other.to_vec(),
        }
    };

    let kept = all_due(&mut small.reader(), "acme").await;
    written(&mut writer, &kept.iter().map(|due| finish(due, Next::Delivered)).collect::<Vec<_>>())
        .await
        .unwrap();
    let sweep = Command::DeleteExpired(Sweep { keys: i64::MAX, delivered: i64::MAX, dead: None });
    written(&mut writer, &[sweep]).await.unwrap();
    let again = written(&mut writer, &[Command::Insert(event("acme", &body, 0))]).await;

    assert_eq!((refused, again.unwrap()), (vec![Effect::Full], vec![Effect::Done]));
    assert!(stored > 0 && kept.len() == usize::try_from(stored).unwrap());
}

#[tokio::test]
async fn what_cannot_be_used_is_said_and_never_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let store = store(folder.path()).await;
    let events: Vec<Command> =
        (0..200).map(|n| Command::Insert(event("acme", &format!("{n} {}", "x".repeat(500)), n))).collect();
    written(&mut store.writer(), &events).await.unwrap();
    let other = Keyring::new(&Secret::new("11".repeat(32)), &[]).unwrap();

    let unknown_key = store.check_keys(&other).await.unwrap_err();
    store.close().await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Elsewhere, since a connection that ends late may still write to the first one.
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("events.db");
    let store = Sqlite::new(&path, SIZE);
    let mut torn = whole.clone();
    let middle = torn.len() / 2 / 4096 * 4096;
    torn[middle..middle + 4096].fill(0xA5);
    std::fs::write(&path, &torn).unwrap();
    store.prepare().await.unwrap();
    let found = store.check(|| true).await.unwrap();
    let damaged = store.prepare().await.unwrap_err();
    std::fs::write(&path, &whole).unwrap();
    let restored = store.prepare().await;
    std::fs::write(&path, b"this is no database").unwrap();
    let foreign = store.prepare().await.unwrap_err();

    assert!(matches!(unknown_key, OpenError::KeyUnknown { .. }), "{unknown_key}");
    assert!(matches!(found, Integrity::Damaged(_)), "{found:?}");
    assert!(
        matches!(damaged, OpenError::Damaged { .. }),
        "what was found damaged is checked first: {damaged}"
    );
    assert!(restored.is_ok() && !elsewhere.path().join("events.db.damaged").exists());
    assert!(matches!(foreign, OpenError::Damaged { .. }), "{foreign}");
    assert_eq!(std::fs::read(&path).unwrap(), b"this is no database");
}

/// A store of 791 MiB took 6.7 s to start, warm, and 16.3 s cold: every page of it was read first.
#[tokio::test]
async fn a_check_ends_when_it_is_told_to_and_finds_a_whole_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let events: Vec<Command> =
        (0..2000).map(|n| Command::Insert(event("acme", &format!("{n} {}", "x".repeat(500)), n))).collect();
    written(&mut store.writer(), &events).await.unwrap();

    let interrupted = store.check(|| false).await.unwrap();
    let whole = store.check(|| true).await.unwrap();

    assert_eq!((interrupted, whole), (Integrity::Interrupted, Integrity::Whole));
}

#[tokio::test]
async fn neither_file_holds_a_body() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;

    // The last connection takes the write-ahead log along, so it stays.
    let mut writer = store.writer();
    written(&mut writer, &[Command::Insert(event("acme", "canary-body", 0))]).await.unwrap();

    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"canary"));
    }
    drop(writer);
}

/// A jump of a week moves a waiting event's age along, whichever way, and leaves what came after the jump alone.
#[tokio::test]
async fn ages_move_with_the_clock_in_bounded_steps() {
    const WEEK: Millis = 7 * 24 * 3600 * 1000;
    for by in [WEEK, -WEEK] {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let mut writer = store.writer();
        let (before, after) = (2 * WEEK, 2 * WEEK + by);
        let old: Vec<Command> =
            (0..6000).map(|n| Command::Insert(event("acme", &n.to_string(), before - 1000))).collect();
        written(&mut writer, &old).await.unwrap();
        written(&mut writer, &[Command::Insert(event("acme", "new", after))]).await.unwrap();

        let mut progress = Progress::default();
        let mut steps = 0;
        loop {
            let shift = Command::ShiftTimes { by, now: after, progress };
            match written(&mut writer, &[shift]).await.unwrap()[0] {
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

/// The clock went back by a week, and what was received before the next commit was a week old: its first failed try was its
/// last. A batch's new events are inserted before its other changes.
#[tokio::test]
async fn what_comes_in_with_the_jump_keeps_its_age() {
    const WEEK: Millis = 7 * 24 * 3600 * 1000;
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mut writer = store.writer();
    let (before, after) = (3 * WEEK, 2 * WEEK);
    written(&mut writer, &[Command::Insert(event("acme", "old", before - 1000))]).await.unwrap();

    let mut progress = Progress::default();
    for (name, now) in [("first", after), ("second", after + 10)] {
        // It was received while the change was on its way to the writer.
        let new = Command::Insert(event("acme", name, now + 5));
        let shift = Command::ShiftTimes { by: -WEEK, now, progress };
        if let Effect::Changed(next) = written(&mut writer, &[shift, new]).await.unwrap()[0] {
            progress = next;
        }
    }
    let due = store.reader().due("acme", i64::MAX, 10, true, &[]).await.unwrap();
    let mut received: Vec<Millis> = due.iter().map(|due| due.received).collect();
    received.sort_unstable();

    assert_eq!(received, [after - 1000, after + 5, after + 15]);
}
