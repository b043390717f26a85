//! Making events due, replaying and discarding them, in both engines.

use super::*;

/// Two events wait for an hour: the portal rejected one, and was unavailable for the other.
async fn make_held_events_due(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let new = ["rejected", "held"].map(|body| Command::Insert(event("acme", body, now())));
    write_all(&mut *writer, &new).await.unwrap();
    let due = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();
    let later = Next::Waiting { due: now() + 3_600_000, counted: true };
    let result = |due: &DueEvent, failure| {
        let error = Some("409".to_owned());
        let attempt =
            Attempt { at: 1, took_ms: 2, status: None, error, failure: Some(failure), answer: None };
        Command::Finish(Finish { claim: due.claim, attempt, next: later })
    };
    let results = [result(&due[0], Failure::Event), result(&due[1], Failure::Endpoint)];
    write_all(&mut *writer, &results).await.unwrap();

    let make_due = || [Command::MakeDue { tenant: "acme".to_owned(), now: now() }];
    let first = write_all(&mut *writer, &make_due()).await.unwrap();
    let second = write_all(&mut *writer, &make_due()).await.unwrap();
    let made_due = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();
    let everything = Command::Replay {
        filter: Filter { state: Some(State::Waiting), ..Filter::default() },
        now: now(),
        per_second: i64::MAX,
        progress: Progress::default(),
    };
    let attempts = reader.attempts(due[0].uid).await.unwrap();
    let backlog = reader.backlog().await.unwrap();
    assert!((now() - backlog[0].oldest).abs() < 60_000 && backlog[0].events == 2, "{backlog:?}");
    write_all(&mut *writer, &[everything]).await.unwrap();
    let replayed = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();

    assert_eq!((first, second), (vec![Effect::Done], vec![Effect::Nothing]));
    assert_eq!(
        made_due.iter().map(|due| due.uid).collect::<Vec<_>>(),
        [due[1].uid],
        "only the event that waits because of its portal"
    );
    assert_eq!((made_due[0].refusals, attempts[0].failure), (0, Some(Failure::Event)));
    assert!(replayed.iter().all(|due| due.refusals == 0 && due.attempts == 0));
}

/// Regression: an event that the portal answered with 409 was dead after 28 s instead of an hour. Each time the portal came
/// back, the gateway attempted the rejected event immediately.
#[tokio::test]
async fn rejected_event_keeps_its_due_time_when_the_portal_is_back_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    make_held_events_due(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn rejected_event_keeps_its_due_time_when_the_portal_is_back_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        make_held_events_due(&store).await;
    });
}

#[tokio::test]
async fn rejections_of_an_event_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mut writer = store.writer();
    write_all(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();

    let mut counted = Vec::new();
    for failure in [Failure::Event, Failure::Transient, Failure::Event, Failure::Refused] {
        let due = all_due(&mut store.reader(), "acme").await.remove(0);
        counted.push((due.attempts, due.refusals));
        let attempt =
            Attempt { at: 1, took_ms: 2, status: None, error: None, failure: Some(failure), answer: None };
        let next = Next::Waiting { due: 0, counted: true };
        let result = Command::Finish(Finish { claim: due.claim, attempt, next });
        write_all(&mut writer, &[result]).await.unwrap();
    }

    assert_eq!(counted, [(0, 0), (1, 1), (2, 1), (3, 2)]);
}

/// Regression: a replay of 600 events per second ran at 1,000, because the interval was rounded to milliseconds. And a
/// replay of dead events included discarded ones.
async fn replay_all_but_discarded(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let new: Vec<Command> =
        (0..601).map(|n| Command::Insert(event("acme", &n.to_string(), now() - 1000))).collect();
    for batch in new.chunks(300) {
        write_all(&mut *writer, batch).await.unwrap();
    }
    let one = reader.list(&Filter::default(), 1).await.unwrap().remove(0);
    let discarded = Filter { uid: Some(one.uid), ..Filter::default() };
    let discard = Command::Discard { filter: discarded, now: now(), progress: Progress::default() };
    write_all(&mut *writer, &[discard]).await.unwrap();

    let start = now();
    let filter = Filter { not_reason: Some(DISCARDED), ..Filter::default() };
    let mut progress = Progress::default();
    loop {
        let replay = Command::Replay { filter: filter.clone(), now: start, per_second: 600, progress };
        match write_all(&mut *writer, &[replay]).await.unwrap()[..] {
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
    // PostgreSQL computes the due times of each page from its own time, which is later for later pages.
    assert!(took == exact || took > exact && !store.uses_model_clock(), "{took} ms");
}

#[tokio::test]
async fn replay_keeps_its_rate_and_excludes_discarded_events_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    replay_all_but_discarded(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn replay_keeps_its_rate_and_excludes_discarded_events_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        replay_all_but_discarded(&store).await;
    });
}

/// Regression: an event that was discarded during its delivery was listed as dead, without the attempt that the portal may
/// have accepted.
async fn discard_in_flight(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    write_all(&mut *writer, &[Command::Insert(event("acme", "a", now()))]).await.unwrap();
    let due = reader.due("acme", now() + 1000, 1, true, &[]).await.unwrap();
    let discard = Command::Discard { filter: Filter::default(), now: now(), progress: Progress::default() };
    write_all(&mut *writer, &[discard]).await.unwrap();

    let recorded = write_all(&mut *writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();
    let shown = reader.list(&Filter::default(), 1).await.unwrap().remove(0);
    let attempts = reader.attempts(due[0].uid).await.unwrap();

    assert_eq!((recorded, attempts.len()), (vec![Effect::Done], 1));
    assert_eq!((shown.state, shown.reason.as_deref()), (State::Dead, Some(DISCARDED)));
}

#[tokio::test]
async fn attempt_in_flight_is_recorded_after_a_discard_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    discard_in_flight(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn attempt_in_flight_is_recorded_after_a_discard_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        discard_in_flight(&store).await;
    });
}

/// Regression: in PostgreSQL a replay revoked the claim of the attempt in flight, and the event was delivered twice.
async fn replay_in_flight(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    write_all(&mut *writer, &[Command::Insert(event("acme", "a", now()))]).await.unwrap();
    let due = reader.due("acme", now() + 1000, 1, true, &[]).await.unwrap();
    let progress = Progress::default();
    let replay = Command::Replay { filter: Filter::default(), now: now(), per_second: 1000, progress };
    write_all(&mut *writer, &[replay]).await.unwrap();

    let recorded = write_all(&mut *writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();
    let left = reader.due("acme", now() + 60_000, 9, true, &[]).await.unwrap();

    assert_eq!(
        (recorded, left.len()),
        (vec![Effect::Done], 0),
        "the event is delivered, and not due any more"
    );
}

#[tokio::test]
async fn attempt_in_flight_is_recorded_after_a_replay_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    replay_in_flight(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn attempt_in_flight_is_recorded_after_a_replay_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store =
            Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60)));
        store.prepare().await;

        replay_in_flight(&store).await;
    });
}
