//! A store that has reached its size.

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

/// A result with the longest answer that is kept of a portal.
fn end(due: &DueEvent, next: Next) -> Command {
    let answer = keyring().seal_answer(due.uid, &due.owner, &[b'a'; 4096]).ok();
    let attempt = Attempt { at: 1, took_ms: 2, status: Some(200), error: None, failure: None, answer };
    Command::Finish(Finish { claim: due.claim, attempt, next })
}

/// Inserts until the store is full, and says how many it took.
async fn fill(writer: &mut dyn Writer, from: i64) -> i64 {
    for number in from.. {
        match written(writer, &[Command::Insert(long_event(number))]).await.unwrap()[0] {
            Effect::Done => {}
            Effect::Full => return number - from,
            other => panic!("{other:?}"),
        }
    }
    unreachable!()
}

async fn end_all(store: &Sqlite, writer: &mut dyn Writer, next: Next) -> usize {
    let due = store.reader().due("acme", i64::MAX, 100_000, true, &[]).await.unwrap();
    for batch in due.chunks(20) {
        let ends: Vec<Command> = batch.iter().map(|due| end(due, next)).collect();
        let effects = written(writer, &ends).await.unwrap();
        assert!(effects.iter().all(|effect| *effect == Effect::Done), "{effects:?}");
    }
    due.len()
}

/// Results need room, too: a full store could not record them, delivered 8,390 of 70,820 events and then none.
#[tokio::test]
async fn a_full_store_records_every_result_and_takes_events_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = small(folder.path()).await;
    let mut writer = store.writer();

    let stored = fill(&mut writer, 0).await;
    let later = Next::Waiting { due: 0, counted: true };
    for _ in 0..5 {
        assert_eq!(end_all(&store, &mut writer, later).await, usize::try_from(stored).unwrap());
    }
    let delivered = end_all(&store, &mut writer, Next::Delivered).await;
    let again = fill(&mut writer, stored).await;

    println!("{stored} events in 2 MiB, {delivered} delivered, {again} more");
    assert_eq!(delivered, usize::try_from(stored).unwrap());
    assert!(again > stored / 2, "{again} after {stored}");
}

/// Delivered events alone filled the store, and new ones were refused although nothing waited.
#[tokio::test]
async fn history_makes_room_for_new_events_and_stays_known() {
    let folder = tempfile::tempdir().unwrap();
    let store = small(folder.path()).await;
    let mut writer = store.writer();

    for batch in 0..300 {
        let new: Vec<Command> = (0..20).map(|n| Command::Insert(long_event(batch * 20 + n))).collect();
        let effects = written(&mut writer, &new).await.unwrap();
        assert!(effects.iter().all(|effect| *effect == Effect::Done), "batch {batch}: {effects:?}");
        assert_eq!(end_all(&store, &mut writer, Next::Delivered).await, 20);
    }
    let kept = store.reader().count(&Filter::default()).await.unwrap();
    let again = written(&mut writer, &[Command::Insert(long_event(0))]).await.unwrap();

    println!("6000 events went through 2 MiB, {kept} are kept");
    assert!(kept > 100, "{kept}: what there is room for is kept");
    assert_eq!(again, [Effect::Nothing]);
}

/// The longest answer of a portal was kept for each of thousands of tries.
#[tokio::test]
async fn a_nearly_full_store_keeps_tries_without_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let store = small(folder.path()).await;
    let mut writer = store.writer();
    let stored = fill(&mut writer, 0).await;
    let before = store.reader().free().await.unwrap();

    end_all(&store, &mut writer, Next::Waiting { due: 0, counted: true }).await;
    let due = store.reader().due("acme", i64::MAX, 100_000, true, &[]).await.unwrap();
    let mut discarded = Progress::default();
    loop {
        let change = Command::Discard { filter: Filter::default(), now: 1, progress: discarded };
        match written(&mut writer, &[change]).await.unwrap()[..] {
            [Effect::Changed(next)] if next.after > discarded.after => discarded = next,
            _ => break,
        }
    }

    assert_eq!((before, due.len()), (Some(0), usize::try_from(stored).unwrap()));
    assert!(due.iter().all(|due| due.attempts == 1), "every try counts");
    assert_eq!(discarded.changed, stored);
}
