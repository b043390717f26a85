//! The owners of events, in both engines.

use super::*;

/// Events of an older release are assigned to customers; an event of an unknown tenant is parked.
async fn assign_customers(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let unbound = reader.unbound(10).await.unwrap();
    let names: Vec<&str> = unbound.iter().map(|(_, name)| name.as_str()).collect();
    let customer = |name: &str| owner(name).customer.filter(|_| name == "acme");
    let bound =
        unbound.iter().map(|(id, name)| CustomerAssignment { id: *id, customer: customer(name) }).collect();
    write_all(&mut *writer, &[Command::AssignCustomers(bound)]).await.unwrap();

    let left = reader.unbound(10).await.unwrap();
    let acme = reader.owner("acme").await.unwrap().unwrap();
    let globex = reader.owner("globex").await.unwrap();
    let parked = reader.parked().await.unwrap();

    assert_eq!(names, ["acme", "globex"], "a delivered event needs no customer");
    assert!(left.is_empty());
    assert_eq!(acme, Owner { binding: Binding::Name, ..owner("acme") });
    assert_eq!(globex, None);
    let expected =
        ParkedCount { tenant: "globex".to_owned(), reason: "unknown_customer".to_owned(), events: 1 };
    assert_eq!(parked, [expected]);
}

#[tokio::test]
async fn events_of_an_older_release_are_assigned_to_customers_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE);
    let insert = |tenant: &str, state: u8| {
        format!(
            "INSERT INTO event(uid, tenant, kind, key_id, body, state, due_ms, received_ms, since_ms, trace) \
             VALUES (randomblob(16), '{tenant}', '', 1, x'00', {state}, 0, 0, 0, '');"
        )
    };
    file.create_older(3, &[insert("acme", 0), insert("globex", 0), insert("acme", 1)].concat()).await;
    file.prepare().await.unwrap();

    assign_customers(&Engine::Sqlite(file)).await;
}

#[test]
fn events_of_an_older_release_are_assigned_to_customers_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO);
        let insert = |tenant: &str, state: u8| {
            format!(
                "INSERT INTO event(uid, tenant, kind, key_id, body, state, due, received, since, trace) VALUES \
                 (gen_random_uuid(), '{tenant}', '', 1, '', {state}, now(), now(), now(), '');"
            )
        };
        database.create_older(3, &[insert("acme", 0), insert("globex", 0), insert("acme", 1)].concat()).await;
        database.prepare().await.unwrap();

        assign_customers(&Engine::Postgres(database)).await;
    });
}

/// An event and its answers are resealed with another key, for another customer.
async fn reseal(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    write_all(&mut *writer, &[Command::Insert(event("acme", "a", now()))]).await.unwrap();
    let due = reader.due("acme", now() + 1000, 1, true, &[]).await.unwrap();
    write_all(&mut *writer, &[finish(&due[0], Next::Parked(ParkReason::UnknownCustomer))]).await.unwrap();
    let record = reader.records(&Filter::default(), 0, 1).await.unwrap().remove(0);
    let answer = record.attempts[0].answer.clone().unwrap();
    let new = Keyring::new(&Secret::new("11".repeat(32)), &[]).unwrap();
    let (uid, to) = (record.listed.uid, Owner { tenant: "acme".to_owned(), ..owner("globex") });
    let reseal = Reseal {
        id: record.id,
        before: record.body.bytes.clone(),
        body: new.seal(uid, &to, b"a").unwrap(),
        owner: to.clone(),
        answers: vec![(answer.bytes, new.seal_answer(uid, &to, b"come back later").unwrap())],
        reassigned: Some("reassigned to globex: merged".to_owned()),
        now: now(),
    };

    let first = write_all(&mut *writer, &[Command::Reseal(vec![reseal.clone()])]).await.unwrap();
    let again = write_all(&mut *writer, &[Command::Reseal(vec![reseal])]).await.unwrap();
    let due = reader.due("acme", now() + 1000, 1, true, &[]).await.unwrap();
    let attempts = reader.attempts(uid).await.unwrap();

    assert_eq!((first, again), (vec![Effect::Done], vec![Effect::Nothing]));
    assert_eq!((&due[0].owner, due[0].attempts), (&to, 0));
    assert_eq!(new.open(uid, &due[0].owner, &due[0].body).unwrap(), b"a");
    assert_eq!(new.open_answer(uid, &to, attempts[0].answer.as_ref().unwrap()).unwrap(), b"come back later");
    assert_eq!(attempts[1].error.as_deref(), Some("reassigned to globex: merged"));
}

#[tokio::test]
async fn event_is_resealed_with_its_answers_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    reseal(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn event_is_resealed_with_its_answers_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        reseal(&store).await;
    });
}
