//! Repeated notifications: after their event was deleted, after it became dead, and after a key rotation.

use super::*;

/// The keyring after a rotation of the key.
fn rotated() -> Keyring {
    let before = Secret::new("00".repeat(32));
    Keyring::new(&Secret::new("11".repeat(32)), &[before]).unwrap()
}

/// The owner of an event of an older release, which identified customers only by name.
fn older(tenant: &str) -> Owner {
    Owner { customer: None, binding: Binding::Name, ..owner(tenant) }
}

/// The same notification as [`event`], with its deduplication keys after a rotation of the key.
fn repeated(tenant: &str, body: &str) -> NewEvent {
    let event = event(tenant, body, 0);
    NewEvent { dedup: rotated().dedup(&owner(tenant), body.as_bytes()), ..event }
}

async fn insert(writer: &mut dyn Writer, event: NewEvent) -> Effect {
    write_all(writer, &[Command::Insert(event)]).await.unwrap()[0]
}

/// Delivers and deletes all waiting events, and deletes deduplication keys from before `keys`.
async fn deliver_and_delete(store: &Engine, keys: Millis) {
    let (mut writer, later) = (store.writer(), now() + 60_000);
    let due = store.reader().due("acme", later, 1000, true, &[]).await.unwrap();
    let results: Vec<Command> = due.iter().map(|due| finish(due, Next::Delivered)).collect();
    write_all(&mut *writer, &results).await.unwrap();
    let sweep = RetentionLimits { keys, delivered: later, dead: None };
    write_all(&mut *writer, &[Command::DeleteExpired(sweep)]).await.unwrap();
}

/// Regression: an attacker could replay a captured notification after a day, or after a key rotation, and it was delivered
/// again.
async fn repeat_after_deletion(store: &Engine) {
    let mut writer = store.writer();
    assert_eq!(insert(&mut *writer, event("acme", "a", now())).await, Effect::Done);
    assert_eq!(insert(&mut *writer, event("acme", "b", now())).await, Effect::Done);

    let rotated = insert(&mut *writer, repeated("acme", "a")).await;
    deliver_and_delete(store, now() - 60_000).await;
    let left = store.reader().count(&Filter::default()).await.unwrap();
    let deleted = insert(&mut *writer, event("acme", "a", now())).await;
    let deleted_and_rotated = insert(&mut *writer, repeated("acme", "b")).await;
    let other_tenant = insert(&mut *writer, event("globex", "a", now())).await;
    deliver_and_delete(store, now() + 60_000).await;
    let after_its_time = insert(&mut *writer, event("acme", "a", now())).await;

    assert_eq!((rotated, left), (Effect::Nothing, 0));
    assert_eq!((deleted, deleted_and_rotated), (Effect::Nothing, Effect::Nothing));
    assert_eq!((other_tenant, after_its_time), (Effect::Done, Effect::Done));
}

/// Regression: a repeated notification whose event was dead counted as a duplicate. It was answered with 200 and never
/// delivered.
async fn repeat_after_death(store: &Engine) {
    let mut writer = store.writer();
    let results = [
        ("rejected", Some(Next::Dead(DeadReason::Rejected))),
        ("exhausted", Some(Next::Dead(DeadReason::Exhausted))),
        ("delivered", Some(Next::Delivered)),
        ("discarded", None),
    ];
    for (body, result) in results {
        insert(&mut *writer, event("acme", body, 0)).await;
        let due = store.reader().due("acme", now(), 9, true, &[]).await.unwrap();
        let command = match result {
            Some(next) => finish(&due[0], next),
            None => Command::Discard { filter: Filter::default(), now: 1, progress: Progress::default() },
        };
        write_all(&mut *writer, &[command]).await.unwrap();
    }
    let unreadable = NewEvent { dead: Some(DeadReason::Poison), ..event("acme", "poison", 0) };
    insert(&mut *writer, unreadable.clone()).await;

    let mut effects = Vec::new();
    for (body, _) in results {
        effects.push(insert(&mut *writer, repeated("acme", body)).await);
    }
    let poison = insert(&mut *writer, unreadable).await;
    let twice = insert(&mut *writer, repeated("acme", "rejected")).await;
    let due = store.reader().due("acme", now(), 9, true, &[]).await.unwrap();

    assert_eq!(effects, [Effect::Revived, Effect::Revived, Effect::Nothing, Effect::Nothing]);
    assert_eq!((poison, twice), (Effect::Nothing, Effect::Nothing));
    assert_eq!(
        due.iter().map(|due| due.attempts).collect::<Vec<_>>(),
        [0, 0],
        "the same events, without attempts"
    );
    let attempts = store.reader().attempts(due[0].uid).await.unwrap();
    assert_eq!(attempts.len(), 1, "earlier attempts stay in the history");
}

#[tokio::test]
async fn repeated_notification_revives_its_dead_event_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    repeat_after_death(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn repeated_notification_revives_its_dead_event_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        repeat_after_death(&store).await;
    });
}

#[tokio::test]
async fn duplicate_is_detected_after_its_event_is_deleted_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    repeat_after_deletion(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn duplicate_is_detected_after_its_event_is_deleted_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        repeat_after_deletion(&store).await;
    });
}

#[test]
fn copy_includes_the_deduplication_keys_of_deleted_events() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = Engine::Sqlite(store(folder.path()).await);
        assert_eq!(insert(&mut *file.writer(), event("acme", "a", now())).await, Effect::Done);
        deliver_and_delete(&file, now() - 60_000).await;
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO);
        database.prepare().await.unwrap();

        let seen = file.reader().seen(&[], 10).await.unwrap();
        let rest = file.reader().seen(&seen[0].dedup, 10).await.unwrap();
        database.import_seen(&seen).await.unwrap();
        database.import_seen(&seen).await.unwrap();
        let imported = database.reader().seen(&[], 10).await.unwrap();
        let known = insert(&mut database.writer(), event("acme", "a", now())).await;

        assert_eq!((seen.len(), rest.len(), imported.len(), known), (1, 0, 1, Effect::Nothing));
        assert!((imported[0].at - seen[0].at).abs() < 5_000, "{imported:?} {seen:?}");
    });
}

#[tokio::test]
async fn duplicates_of_an_older_release_are_detected_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE);
    let dedup = hex::encode(keyring().dedup(&older("acme"), b"a").current);
    let script = format!(
        "INSERT INTO event(uid, tenant, dedup, kind, key_id, body, state, due_ms, received_ms, since_ms, done_ms, \
           trace) VALUES (randomblob(16), 'acme', x'{dedup}', '', 1, x'00', 1, 0, 0, 0, 0, '')"
    );
    file.create_older(3, &script).await;

    file.prepare().await.unwrap();
    let store = Engine::Sqlite(file);
    deliver_and_delete(&store, -1).await;

    assert_eq!(store.reader().count(&Filter::default()).await.unwrap(), 0);
    assert_eq!(insert(&mut *store.writer(), event("acme", "a", now())).await, Effect::Nothing);
}

#[test]
fn duplicates_of_an_older_release_are_detected_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO);
        let dedup = hex::encode(keyring().dedup(&older("acme"), b"a").current);
        let script = format!(
            "INSERT INTO event(uid, tenant, dedup, kind, key_id, body, state, due, received, since, done, trace) \
             VALUES (gen_random_uuid(), 'acme', '\\x{dedup}', '', 1, '', 1, now(), now(), now(), now(), '')"
        );
        database.create_older(3, &script).await;

        database.prepare().await.unwrap();
        let store = Engine::Postgres(database);
        deliver_and_delete(&store, now() - 60_000).await;

        assert_eq!(store.reader().count(&Filter::default()).await.unwrap(), 0);
        assert_eq!(insert(&mut *store.writer(), event("acme", "a", now())).await, Effect::Nothing);
    });
}
