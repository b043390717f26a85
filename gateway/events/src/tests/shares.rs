//! One tenant's events leave room for those of others, in each engine.

use super::*;

const SHARE: Share = Share { bytes: 20_000, events: 5 };

/// Gives one tenant more than its share, and says what became of its events and of another one's.
async fn fill(writer: &mut dyn Writer, size: usize) -> (usize, Vec<Effect>, Vec<Effect>) {
    let body = "x".repeat(size);
    let garbage: Vec<Command> =
        (0..8).map(|n| Command::Insert(event("acme", &format!("{n}{body}"), n))).collect();
    let filled = written(writer, &garbage).await.unwrap();
    let stored = filled.iter().filter(|effect| **effect == Effect::Done).count();
    let again = written(writer, &[Command::Insert(event("acme", "one more", 9))]).await.unwrap();
    let other = written(writer, &[Command::Insert(event("globex", "good", 9))]).await.unwrap();
    assert!(filled[stored..].iter().all(|effect| *effect == Effect::OverShare), "{filled:?}");
    (stored, again, other)
}

/// Ends all events of a tenant and forgets them.
async fn forget(store: &Engine, writer: &mut dyn Writer, tenant: &str) {
    let due = store.reader().due(tenant, now() + 1000, 100, true, &[]).await.unwrap();
    let ends: Vec<Command> = due.iter().map(|due| finish(due, Next::Delivered)).collect();
    written(writer, &ends).await.unwrap();
    let later = now() + 60_000;
    written(writer, &[Command::DeleteExpired(Sweep { keys: later, delivered: later, dead: None })])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_tenant_at_its_share_of_a_file_is_refused_and_others_are_stored() {
    for (size, expected) in [(10, 5), (5800, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share(SHARE);
        let store = Engine::Sqlite(file.clone());
        store.prepare().await;
        let mut writer = store.writer();

        let (stored, again, other) = fill(&mut *writer, size).await;
        let reopened =
            written(&mut *store.writer(), &[Command::Insert(event("acme", &"y".repeat(size), 9))]).await;
        forget(&store, &mut *writer, "acme").await;
        let (stored_again, ..) = fill(&mut *writer, size).await;

        assert_eq!(stored, expected, "events of {size} bytes");
        // What is small enough still fits where bytes are the bound.
        assert_eq!(again, [if expected == 5 { Effect::OverShare } else { Effect::Done }]);
        assert_eq!(other, [Effect::Done]);
        assert_eq!(reopened.unwrap(), [Effect::OverShare], "the count is the store's");
        assert_eq!(stored_again, expected, "what is forgotten takes nothing");
    }
}

#[tokio::test]
async fn the_last_fifth_of_a_file_is_for_tenants_with_less_than_an_equal_part() {
    let folder = tempfile::tempdir().unwrap();
    let most = Share { bytes: i64::MAX, events: i64::MAX };
    let store = Sqlite::new(&folder.path().join("events.db"), 1 << 20).with_share(most);
    store.prepare().await.unwrap();
    let mut writer = store.writer();
    let body = "x".repeat(20_000);

    let mut stored = 0;
    let refused = loop {
        let new = Command::Insert(event("acme", &format!("{stored}{body}"), stored));
        match written(&mut writer, &[new]).await.unwrap()[..] {
            [Effect::Done] => stored += 1,
            ref other => break other.to_vec(),
        }
    };
    let other = written(&mut writer, &[Command::Insert(event("globex", &body, 0))]).await.unwrap();

    assert_eq!((refused, other), (vec![Effect::OverShare], vec![Effect::Done]));
    assert!(stored > 20, "{stored} of 20 kB in 1 MiB");
}

#[test]
fn a_tenant_at_its_share_of_a_database_is_refused_and_others_are_stored() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO).with_share(SHARE);
        let store = Engine::Postgres(database);
        store.prepare().await;
        let mut writer = store.writer();

        let (stored, again, other) = fill(&mut *writer, 10).await;
        let elsewhere = written(&mut *store.writer(), &[Command::Insert(event("acme", "z", 9))]).await;
        forget(&store, &mut *writer, "acme").await;
        let (stored_again, ..) = fill(&mut *store.writer(), 10).await;

        assert_eq!((stored, again, other), (5, vec![Effect::OverShare], vec![Effect::Done]));
        assert_eq!(elsewhere.unwrap(), [Effect::OverShare], "another gateway counts the same");
        assert_eq!(stored_again, 5, "what is forgotten takes nothing");
    });
}

#[tokio::test]
async fn what_a_store_of_an_older_release_holds_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share(SHARE);
    let older = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5) \
                 INSERT INTO event(uid, tenant, kind, key_id, body, state, due_ms, received_ms, since_ms, trace) \
                 SELECT randomblob(16), 'acme', '', 1, x'00', 0, 0, 0, 0, '' FROM n";
    file.older(2, older).await;

    file.prepare().await.unwrap();
    let more = written(&mut file.writer(), &[Command::Insert(event("acme", "more", 9))]).await.unwrap();

    assert_eq!(more, [Effect::OverShare]);
}

/// What a tenant had got delivered in a week counted against its share, and its new notifications were refused.
async fn history_gives_way(store: &Engine) {
    let mut writer = store.writer();
    let (stored, again, _) = fill(&mut *writer, 10).await;
    let due = store.reader().due("acme", now() + 1000, 100, true, &[]).await.unwrap();
    written(&mut *writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();

    let shrunk = written(&mut *writer, &[Command::FreeShares]).await.unwrap();
    let nothing = written(&mut *writer, &[Command::FreeShares]).await.unwrap();
    let new = written(&mut *store.writer(), &[Command::Insert(event("acme", "new", 9))]).await.unwrap();
    let known = store.reader().seen(&[], 9).await.unwrap();

    assert_eq!((stored, again), (5, vec![Effect::OverShare]));
    assert_eq!((shrunk, nothing, new), (vec![Effect::Done], vec![Effect::Nothing], vec![Effect::Done]));
    assert_eq!(known.len(), 1);
}

#[tokio::test]
async fn history_of_a_tenant_at_its_share_of_a_file_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share(SHARE);
    let store = Engine::Sqlite(file);
    store.prepare().await;

    history_gives_way(&store).await;
}

#[test]
fn history_of_a_tenant_at_its_share_of_a_database_gives_way() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO).with_share(SHARE);
        let store = Engine::Postgres(database);
        store.prepare().await;

        history_gives_way(&store).await;
    });
}
