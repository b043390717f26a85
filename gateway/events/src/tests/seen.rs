//! Notifications that come again after their event is forgotten, or after the store's key was changed.

use super::*;

fn rotated() -> Keyring {
    let before = Secret::new("00".repeat(32));
    Keyring::new(&Secret::new("11".repeat(32)), &[before]).unwrap()
}

/// The owner of an event of a release that knew customers by their names alone.
fn older(tenant: &str) -> Owner {
    Owner { customer: None, binding: Binding::Name, ..owner(tenant) }
}

/// The same notification as [`event`] makes, with what it is known by after a rotation of the key.
fn again(tenant: &str, body: &str) -> NewEvent {
    let event = event(tenant, body, 0);
    NewEvent { dedup: rotated().dedup(&owner(tenant), body.as_bytes()), ..event }
}

async fn insert(writer: &mut dyn Writer, event: NewEvent) -> Effect {
    written(writer, &[Command::Insert(event)]).await.unwrap()[0]
}

/// Delivers what waits, and forgets it.
async fn forget(store: &Engine, keys: Millis) {
    let (mut writer, later) = (store.writer(), now() + 60_000);
    let due = store.reader().due("acme", later, 1000, true, &[]).await.unwrap();
    let ends: Vec<Command> = due.iter().map(|due| finish(due, Next::Delivered)).collect();
    written(&mut *writer, &ends).await.unwrap();
    let sweep = Sweep { keys, delivered: later, dead: None };
    written(&mut *writer, &[Command::DeleteExpired(sweep)]).await.unwrap();
}

/// A captured notification could be sent again after a day, or after a rotation of the key, and was delivered.
async fn comes_again(store: &Engine) {
    let mut writer = store.writer();
    assert_eq!(insert(&mut *writer, event("acme", "a", now())).await, Effect::Done);
    assert_eq!(insert(&mut *writer, event("acme", "b", now())).await, Effect::Done);

    let rotated_and_there = insert(&mut *writer, again("acme", "a")).await;
    forget(store, now() - 60_000).await;
    let left = store.reader().count(&Filter::default()).await.unwrap();
    let forgotten = insert(&mut *writer, event("acme", "a", now())).await;
    let forgotten_and_rotated = insert(&mut *writer, again("acme", "b")).await;
    let other_tenant = insert(&mut *writer, event("globex", "a", now())).await;
    forget(store, now() + 60_000).await;
    let after_its_time = insert(&mut *writer, event("acme", "a", now())).await;

    assert_eq!((rotated_and_there, left), (Effect::Nothing, 0));
    assert_eq!((forgotten, forgotten_and_rotated), (Effect::Nothing, Effect::Nothing));
    assert_eq!((other_tenant, after_its_time), (Effect::Done, Effect::Done));
}

/// A notification whose event had died was a duplicate when it came again: answered 200, and never delivered.
async fn comes_again_after_its_death(store: &Engine) {
    let mut writer = store.writer();
    let ends = [
        ("rejected", Some(Next::Dead(DeadReason::Rejected))),
        ("exhausted", Some(Next::Dead(DeadReason::Exhausted))),
        ("delivered", Some(Next::Delivered)),
        ("discarded", None),
    ];
    for (body, end) in ends {
        insert(&mut *writer, event("acme", body, 0)).await;
        let due = store.reader().due("acme", now(), 9, true, &[]).await.unwrap();
        let end = match end {
            Some(next) => finish(&due[0], next),
            None => Command::Discard { filter: Filter::default(), now: 1, progress: Progress::default() },
        };
        written(&mut *writer, &[end]).await.unwrap();
    }
    let unreadable = NewEvent { dead: Some(DeadReason::Poison), ..event("acme", "poison", 0) };
    insert(&mut *writer, unreadable.clone()).await;

    let mut effects = Vec::new();
    for (body, _) in ends {
        effects.push(insert(&mut *writer, again("acme", body)).await);
    }
    let poison = insert(&mut *writer, unreadable).await;
    let twice = insert(&mut *writer, again("acme", "rejected")).await;
    let due = store.reader().due("acme", now(), 9, true, &[]).await.unwrap();

    assert_eq!(effects, [Effect::Revived, Effect::Revived, Effect::Nothing, Effect::Nothing]);
    assert_eq!((poison, twice), (Effect::Nothing, Effect::Nothing));
    assert_eq!(due.iter().map(|due| due.attempts).collect::<Vec<_>>(), [0, 0], "the same events, tried anew");
    let tries = store.reader().attempts(due[0].uid).await.unwrap();
    assert_eq!(tries.len(), 1, "what happened stays");
}

#[tokio::test]
async fn a_notification_that_comes_again_revives_its_dead_event_in_a_file() {
    let folder = tempfile::tempdir().unwrap();

    comes_again_after_its_death(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn a_notification_that_comes_again_revives_its_dead_event_in_a_database() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        comes_again_after_its_death(&store).await;
    });
}

#[tokio::test]
async fn a_notification_is_known_to_a_file_after_its_event_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();

    comes_again(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn a_notification_is_known_to_a_database_after_its_event_is_forgotten() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        comes_again(&store).await;
    });
}

#[test]
fn a_copy_carries_what_was_seen() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = Engine::Sqlite(store(folder.path()).await);
        assert_eq!(insert(&mut *file.writer(), event("acme", "a", now())).await, Effect::Done);
        forget(&file, now() - 60_000).await;
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO);
        database.prepare().await.unwrap();

        let seen = file.reader().seen(&[], 10).await.unwrap();
        let behind = file.reader().seen(&seen[0].dedup, 10).await.unwrap();
        database.adopt_seen(&seen).await.unwrap();
        database.adopt_seen(&seen).await.unwrap();
        let there = database.reader().seen(&[], 10).await.unwrap();
        let known = insert(&mut database.writer(), event("acme", "a", now())).await;

        assert_eq!((seen.len(), behind.len(), there.len(), known), (1, 0, 1, Effect::Nothing));
        assert!((there[0].at - seen[0].at).abs() < 5_000, "{there:?} {seen:?}");
    });
}

#[tokio::test]
async fn a_file_of_the_release_before_knows_its_notifications() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE);
    let dedup = hex::encode(keyring().dedup(&older("acme"), b"a").current);
    let script = format!(
        "INSERT INTO event(uid, tenant, dedup, kind, key_id, body, state, due_ms, received_ms, since_ms, done_ms, \
           trace) VALUES (randomblob(16), 'acme', x'{dedup}', '', 1, x'00', 1, 0, 0, 0, 0, '')"
    );
    file.older(3, &script).await;

    file.prepare().await.unwrap();
    let store = Engine::Sqlite(file);
    forget(&store, -1).await;

    assert_eq!(store.reader().count(&Filter::default()).await.unwrap(), 0);
    assert_eq!(insert(&mut *store.writer(), event("acme", "a", now())).await, Effect::Nothing);
}

#[test]
fn a_database_of_the_release_before_knows_its_notifications() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO);
        let dedup = hex::encode(keyring().dedup(&older("acme"), b"a").current);
        let script = format!(
            "INSERT INTO event(uid, tenant, dedup, kind, key_id, body, state, due, received, since, done, trace) \
             VALUES (gen_random_uuid(), 'acme', '\\x{dedup}', '', 1, '', 1, now(), now(), now(), now(), '')"
        );
        database.older(3, &script).await;

        database.prepare().await.unwrap();
        let store = Engine::Postgres(database);
        forget(&store, now() - 60_000).await;

        assert_eq!(store.reader().count(&Filter::default()).await.unwrap(), 0);
        assert_eq!(insert(&mut *store.writer(), event("acme", "a", now())).await, Effect::Nothing);
    });
}
