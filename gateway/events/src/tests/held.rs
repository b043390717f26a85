//! What an event waits for: its portal, or its own time.

use super::*;

/// Two events wait for an hour: one that the portal did not want, and one that found it away.
async fn wait_apart(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let new = ["refused", "held"].map(|body| Command::Insert(event("acme", body, now())));
    written(&mut *writer, &new).await.unwrap();
    let due = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();
    let later = Next::Waiting { due: now() + 3_600_000, counted: true };
    let end = |due: &DueEvent, failure| {
        let error = Some("409".to_owned());
        let attempt =
            Attempt { at: 1, took_ms: 2, status: None, error, failure: Some(failure), answer: None };
        Command::Finish(Finish { claim: due.claim, attempt, next: later })
    };
    let ends = [end(&due[0], Failure::Event), end(&due[1], Failure::Endpoint)];
    written(&mut *writer, &ends).await.unwrap();

    let pull = || [Command::MakeDue { tenant: "acme".to_owned(), now: now() }];
    let first = written(&mut *writer, &pull()).await.unwrap();
    let second = written(&mut *writer, &pull()).await.unwrap();
    let pulled = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();
    let everything = Command::Replay {
        filter: Filter { state: Some(State::Waiting), ..Filter::default() },
        now: now(),
        per_second: i64::MAX,
        progress: Progress::default(),
    };
    let tries = reader.attempts(due[0].uid).await.unwrap();
    let backlog = reader.backlog().await.unwrap();
    assert!((now() - backlog[0].oldest).abs() < 60_000 && backlog[0].events == 2, "{backlog:?}");
    written(&mut *writer, &[everything]).await.unwrap();
    let anew = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();

    assert_eq!((first, second), (vec![Effect::Done], vec![Effect::Nothing]));
    assert_eq!(pulled.iter().map(|due| due.uid).collect::<Vec<_>>(), [due[1].uid], "only what was held");
    assert_eq!((pulled[0].refusals, tries[0].failure), (0, Some(Failure::Event)));
    assert!(anew.iter().all(|due| due.refusals == 0 && due.attempts == 0));
}

/// A 409 was dead in 28 s instead of an hour: each time its portal came back, the refused event was tried at once.
#[tokio::test]
async fn what_a_portal_refused_keeps_its_time_in_a_file_when_the_portal_is_back() {
    let folder = tempfile::tempdir().unwrap();

    wait_apart(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn what_a_portal_refused_keeps_its_time_in_a_database_when_the_portal_is_back() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        wait_apart(&store).await;
    });
}

#[tokio::test]
async fn refusals_are_counted_in_the_event() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mut writer = store.writer();
    written(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();

    let mut counted = Vec::new();
    for failure in [Failure::Event, Failure::Transient, Failure::Event, Failure::Refused] {
        let due = all_due(&mut store.reader(), "acme").await.remove(0);
        counted.push((due.attempts, due.refusals));
        let attempt =
            Attempt { at: 1, took_ms: 2, status: None, error: None, failure: Some(failure), answer: None };
        let next = Next::Waiting { due: 0, counted: true };
        let end = Command::Finish(Finish { claim: due.claim, attempt, next });
        written(&mut writer, &[end]).await.unwrap();
    }

    assert_eq!(counted, [(0, 0), (1, 1), (2, 1), (3, 2)]);
}

/// A rate of 600 a second was 1,000, since the time between two events was rounded to milliseconds; and what an operator
/// had discarded was sent again with all that was dead.
async fn replay_some(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let new: Vec<Command> =
        (0..601).map(|n| Command::Insert(event("acme", &n.to_string(), now() - 1000))).collect();
    for batch in new.chunks(300) {
        written(&mut *writer, batch).await.unwrap();
    }
    let one = reader.list(&Filter::default(), 1).await.unwrap().remove(0);
    let discarded = Filter { uid: Some(one.uid), ..Filter::default() };
    let discard = Command::Discard { filter: discarded, now: now(), progress: Progress::default() };
    written(&mut *writer, &[discard]).await.unwrap();

    let begun = now();
    let filter = Filter { not_reason: Some(DISCARDED), ..Filter::default() };
    let mut progress = Progress::default();
    loop {
        let replay = Command::Replay { filter: filter.clone(), now: begun, per_second: 600, progress };
        match written(&mut *writer, &[replay]).await.unwrap()[..] {
            [Effect::Changed(next)] if next.after > progress.after => progress = next,
            _ => break,
        }
    }
    let mut due: Vec<Millis> = reader
        .list(&Filter::default(), 1000)
        .await
        .unwrap()
        .iter()
        .filter(|one| one.state == State::Waiting)
        .map(|one| one.due)
        .collect();
    due.sort_unstable();
    let named = Filter { reason: Some(DISCARDED.to_owned()), ..Filter::default() };

    assert_eq!((due.len(), reader.count(&named).await.unwrap()), (600, 1));
    let (took, exact) = (due[599] - due[0], 599 * 1000 / 600);
    // A database goes on from its own time at each page, which is later and never sooner.
    assert!(took == exact || took > exact && !store.has_models_clock(), "{took} ms");
}

#[tokio::test]
async fn a_replay_from_a_file_keeps_its_rate_and_leaves_out_what_was_discarded() {
    let folder = tempfile::tempdir().unwrap();

    replay_some(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn a_replay_from_a_database_keeps_its_rate_and_leaves_out_what_was_discarded() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        replay_some(&store).await;
    });
}

/// An event that was discarded while it was sent was shown dead, without the try that the portal may have taken.
async fn a_discard_keeps_the_try(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    written(&mut *writer, &[Command::Insert(event("acme", "a", now()))]).await.unwrap();
    let due = reader.due("acme", now() + 1000, 1, true, &[]).await.unwrap();
    let discard = Command::Discard { filter: Filter::default(), now: now(), progress: Progress::default() };
    written(&mut *writer, &[discard]).await.unwrap();

    let recorded = written(&mut *writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();
    let shown = reader.list(&Filter::default(), 1).await.unwrap().remove(0);
    let tries = reader.attempts(due[0].uid).await.unwrap();

    assert_eq!((recorded, tries.len()), (vec![Effect::Done], 1));
    assert_eq!((shown.state, shown.reason.as_deref()), (State::Dead, Some(DISCARDED)));
}

#[tokio::test]
async fn a_discard_in_flight_keeps_the_try_in_a_file() {
    let folder = tempfile::tempdir().unwrap();

    a_discard_keeps_the_try(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn a_discard_in_flight_keeps_the_try_in_a_database() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        a_discard_keeps_the_try(&store).await;
    });
}

/// PostgreSQL took the claim away from the try that was under way, and the event was delivered once more.
async fn a_replay_keeps_the_try(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    written(&mut *writer, &[Command::Insert(event("acme", "a", now()))]).await.unwrap();
    let due = reader.due("acme", now() + 1000, 1, true, &[]).await.unwrap();
    let progress = Progress::default();
    let replay = Command::Replay { filter: Filter::default(), now: now(), per_second: 1000, progress };
    written(&mut *writer, &[replay]).await.unwrap();

    let recorded = written(&mut *writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();
    let left = reader.due("acme", now() + 60_000, 9, true, &[]).await.unwrap();

    assert_eq!((recorded, left.len()), (vec![Effect::Done], 0), "it is delivered, and not due any more");
}

#[tokio::test]
async fn a_replay_in_flight_keeps_the_try_in_a_file() {
    let folder = tempfile::tempdir().unwrap();

    a_replay_keeps_the_try(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn a_replay_in_flight_keeps_the_try_in_a_database() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store =
            Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60)));
        store.prepare().await;

        a_replay_keeps_the_try(&store).await;
    });
}
