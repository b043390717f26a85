//! Lists of undelivered events by age, in both engines.

use super::*;

/// Regression: operators could not find the event that had waited longest. Lists began with the newest one and had no age.
async fn list_by_age(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let begin = now() - 600_000;
    let mut rows = [
        ("acme", "e", 0),
        ("globex", "a", 1000),
        ("acme", "b", 2000),
        ("acme", "c", 3000),
        ("acme", "d", 3000),
    ];
    if store.uses_model_clock() {
        // The events are inserted in another order than received. PostgreSQL sets the time of receipt itself.
        rows.swap(0, 2);
    }
    for (tenant, body, at) in rows {
        let new = NewEvent { resource: Some(body.to_owned()), ..event(tenant, body, begin + at) };
        write_all(&mut *writer, &[Command::Insert(new)]).await.unwrap();
    }
    let due = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();
    let of = |body: &str| {
        let found =
            |due: &&DueEvent| keyring().open(due.uid, &due.owner, &due.body).unwrap() == body.as_bytes();
        due.iter().find(found).unwrap()
    };
    let results = [
        finish(of("b"), Next::Parked(ParkReason::UnknownKey)),
        finish(of("c"), Next::Waiting { due: now() + 60_000, counted: true }),
        finish(of("e"), Next::Delivered),
    ];
    write_all(&mut *writer, &results).await.unwrap();

    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = reader.undelivered(&Filter::default(), after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(Cursor::parse(&last.cursor.to_string()).unwrap());
        pages.push(page);
    }
    let parked = Filter { state: Some(State::Parked), ..Filter::default() };
    let parked = reader.undelivered(&parked, None, 9).await.unwrap();
    let globex = Filter { tenant: Some("globex".to_owned()), ..Filter::default() };
    let globex = reader.undelivered(&globex, None, 9).await.unwrap();

    let event_counts = reader.event_counts().await.unwrap();

    let resources = |page: &[Undelivered]| -> Vec<String> {
        page.iter().map(|one| one.listed.resource.clone().unwrap()).collect()
    };
    assert_eq!(pages.iter().map(|page| resources(page)).collect::<Vec<_>>(), [["a", "b"], ["c", "d"]]);
    assert_eq!([resources(&parked), resources(&globex)], [["b"], ["a"]]);
    let ages = pages.concat().iter().map(|one| one.age / 1000).collect::<Vec<_>>();
    let oldest = if store.uses_model_clock() { 590 } else { 0 };
    assert!((oldest..660).contains(&ages[0]) && ages.is_sorted_by(|one, next| one >= next), "{ages:?}");
    assert_eq!(pages[1][0].listed.attempts, 1);
    let counts = event_counts.iter().map(|one| {
        let counts = [one.waiting, one.parked, one.dead, one.delivered];
        (one.tenant.as_str(), counts, one.next_due.is_some_and(|due| (due - now()).abs() < 600_000 + 5_000))
    });
    assert_eq!(counts.collect::<Vec<_>>(), [("acme", [2, 1, 0, 1], true), ("globex", [1, 0, 0, 0], true)]);
    // The oldest undelivered event of acme is the parked one.
    let age = event_counts[0].oldest_age.unwrap();
    assert!((age - pages[0][1].age).abs() < 5_000, "{age} {:?}", pages[0][1]);
}

#[tokio::test]
async fn undelivered_events_are_listed_by_age_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    list_by_age(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn undelivered_events_are_listed_by_age_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        list_by_age(&store).await;
    });
}
