//! A SQLite store that has reached its size limit.

use super::*;

const SMALL: u64 = 2 << 20;

async fn small(folder: &Path) -> Sqlite {
    let store = Sqlite::new(&folder.join("events.db"), SMALL);
    store.prepare().await.unwrap();
    store
}

fn long_event(number: i64) -> NewEvent {
    event("acme", &format!("{number} {}", "x".repeat(1000)), number)
}

/// A result with the longest answer of a portal that is stored.
fn finish_with_answer(due: &DueEvent, next: Next) -> Command {
    let answer = keyring().seal_answer(due.uid, &due.owner, &[b'a'; 4096]).ok();
    let attempt = Attempt { at: 1, took_ms: 2, status: Some(200), error: None, failure: None, answer };
    Command::Finish(Finish { claim: due.claim, attempt, next })
}

/// Inserts events until the store is full, and returns how many were stored.
async fn fill(writer: &mut dyn Writer, from: i64) -> i64 {
    for number in from.. {
        match write_all(writer, &[Command::Insert(long_event(number))]).await.unwrap()[0] {
            Effect::Done => {}
            Effect::Full => return number - from,
            other => panic!("{other:?}"),
        }
    }
    unreachable!()
}

/// Records the same result for all due events, and returns their number.
async fn finish_all(store: &Sqlite, writer: &mut dyn Writer, next: Next) -> usize {
    let due = store.reader().due("acme", i64::MAX, 100_000, true, &[]).await.unwrap();
    for batch in due.chunks(20) {
        let results: Vec<Command> = batch.iter().map(|due| finish_with_answer(due, next)).collect();
        let effects = write_all(writer, &results).await.unwrap();
        assert!(effects.iter().all(|effect| *effect == Effect::Done), "{effects:?}");
    }
    due.len()
}

/// Regression: a full store could not record results. It delivered 8,390 of 70,820 events and then stopped.
#[tokio::test]
async fn full_store_records_every_result_and_then_accepts_new_events() {
    let folder = tempfile::tempdir().unwrap();
    let store = small(folder.path()).await;
    let mut writer = store.writer();

    let stored = fill(&mut writer, 0).await;
    let later = Next::Waiting { due: 0, counted: true };
    for _ in 0..5 {
        assert_eq!(finish_all(&store, &mut writer, later).await, usize::try_from(stored).unwrap());
    }
    let delivered = finish_all(&store, &mut writer, Next::Delivered).await;
    let again = fill(&mut writer, stored).await;

    println!("{stored} events in 2 MiB, {delivered} delivered, {again} more");
    assert_eq!(delivered, usize::try_from(stored).unwrap());
    assert!(again > stored / 2, "{again} after {stored}");
}

/// Regression: delivered events filled the store, and it refused new events although none waited.
#[tokio::test]
async fn delivered_events_are_deleted_for_new_ones_and_stay_deduplicated() {
    let folder = tempfile::tempdir().unwrap();
    let store = small(folder.path()).await;
    let mut writer = store.writer();

    for batch in 0..300 {
        let new: Vec<Command> = (0..20).map(|n| Command::Insert(long_event(batch * 20 + n))).collect();
        let effects = write_all(&mut writer, &new).await.unwrap();
        assert!(effects.iter().all(|effect| *effect == Effect::Done), "batch {batch}: {effects:?}");
        assert_eq!(finish_all(&store, &mut writer, Next::Delivered).await, 20);
    }
    let kept = store.reader().count(&Filter::default()).await.unwrap();
    let again = write_all(&mut writer, &[Command::Insert(long_event(0))]).await.unwrap();

    println!("6000 events went through 2 MiB, {kept} are kept");
    assert!(kept > 100, "{kept}: delivered events stay while there is space");
    assert_eq!(again, [Effect::Nothing]);
}

/// Regression: a nearly full store kept an answer of maximal length for each of thousands of attempts.
#[tokio::test]
async fn nearly_full_store_records_attempts_without_answers() {
    let folder = tempfile::tempdir().unwrap();
    let store = small(folder.path()).await;
    let mut writer = store.writer();
    let stored = fill(&mut writer, 0).await;
    let before = store.reader().free().await.unwrap();

    finish_all(&store, &mut writer, Next::Waiting { due: 0, counted: true }).await;
    let due = store.reader().due("acme", i64::MAX, 100_000, true, &[]).await.unwrap();
    let mut discarded = Progress::default();
    loop {
        let command = Command::Discard { filter: Filter::default(), now: 1, progress: discarded };
        match write_all(&mut writer, &[command]).await.unwrap()[..] {
            [Effect::Changed(next)] if next.after > discarded.after => discarded = next,
            _ => break,
        }
    }

    assert_eq!((before, due.len()), (Some(0), usize::try_from(stored).unwrap()));
    assert!(due.iter().all(|due| due.attempts == 1), "every attempt counts");
    assert_eq!(discarded.changed, stored);
}
