//! Parked events, in both engines.

use super::*;

/// Parks an event because of its encryption key, and unparks it when that key is known.
async fn park_and_unpark(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    write_all(&mut *writer, &[Command::Insert(event("acme", "a", now()))]).await.unwrap();
    let due = all_due_now(&mut *reader).await;

    let parked = finish(&due[0], Next::Parked(ParkReason::UnknownKey));
    write_all(&mut *writer, &[parked]).await.unwrap();
    let counted = reader.parked().await.unwrap();
    let waiting = reader.waiting().await.unwrap();
    let unpark = |keys: Vec<i64>| [Command::Unpark { keys, now: now() }];
    let other_key = write_all(&mut *writer, &unpark(vec![1])).await.unwrap();
    let still = all_due_now(&mut *reader).await.len();
    let its_key = write_all(&mut *writer, &unpark(vec![1, due[0].body.key_id])).await.unwrap();
    let again = all_due_now(&mut *reader).await;

    let expected = ParkedCount { tenant: "acme".to_owned(), reason: "unknown_key".to_owned(), events: 1 };
    assert_eq!((counted, waiting), (vec![expected], vec![]));
    assert_eq!((other_key, its_key), (vec![Effect::Nothing], vec![Effect::Done]));
    assert_eq!((still, again.len(), again[0].attempts), (0, 1, 0), "parking does not count as an attempt");
}

/// Parks the events of two customers that had the same name, and unparks those of one.
async fn park_and_unpark_a_customer(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let other = Owner { customer: owner("globex").customer, ..owner("acme") };
    let foreign = NewEvent { owner: other.clone(), ..event("acme", "b", now()) };
    write_all(&mut *writer, &[Command::Insert(event("acme", "a", now())), Command::Insert(foreign)])
        .await
        .unwrap();
    let due = all_due_now(&mut *reader).await;
    let parked: Vec<Command> =
        due.iter().map(|due| finish(due, Next::Parked(ParkReason::UnknownCustomer))).collect();
    write_all(&mut *writer, &parked).await.unwrap();

    let mut owners = reader.parked_owners().await.unwrap();
    let unpark = |owner: Owner| [Command::UnparkCustomer { owner, now: now() }];
    let first = write_all(&mut *writer, &unpark(other.clone())).await.unwrap();
    let again = write_all(&mut *writer, &unpark(other.clone())).await.unwrap();
    let unparked = all_due_now(&mut *reader).await;
    let left = reader.parked_owners().await.unwrap();

    owners.sort_by_key(|owner| owner.customer.as_ref().map(|customer| customer.subscription.clone()));
    assert_eq!(owners, [owner("acme"), other.clone()]);
    assert_eq!((first, again), (vec![Effect::Done], vec![Effect::Nothing]));
    assert_eq!(unparked.iter().map(|due| due.owner.clone()).collect::<Vec<_>>(), [other]);
    assert_eq!(left, [owner("acme")]);
}

#[tokio::test]
async fn parked_event_waits_for_its_customer_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    park_and_unpark_a_customer(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn parked_event_waits_for_its_customer_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        park_and_unpark_a_customer(&store).await;
    });
}

async fn all_due_now(reader: &mut dyn Reader) -> Vec<DueEvent> {
    reader.due("acme", now() + 1000, 10, true, &[]).await.unwrap()
}

#[tokio::test]
async fn parked_event_waits_for_its_key_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    park_and_unpark(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn parked_event_waits_for_its_key_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        park_and_unpark(&store).await;
    });
}

/// Regression: a copy with a wrong key moved dead and delivered events that could not be decrypted afterwards.
#[tokio::test]
async fn keys_of_all_events_are_checked_before_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mut writer = store.writer();
    write_all(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();
    let due = all_due(&mut store.reader(), "acme").await;
    write_all(&mut writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();
    let other = Keyring::new(&Secret::new("11".repeat(32)), &[]).unwrap();
    let both = Keyring::new(&Secret::new("11".repeat(32)), &[Secret::new("00".repeat(32))]).unwrap();

    let refused = store.check_keys(&other).await.unwrap_err();
    let missing = store.unknown_keys(&other, KeySearch::OldestAndNewest).await.unwrap();

    assert!(matches!(refused, OpenError::KeyUnknown { .. }), "{refused}");
    assert_eq!(missing, [due[0].body.key_id]);
    store.check_keys(&both).await.unwrap();
}
