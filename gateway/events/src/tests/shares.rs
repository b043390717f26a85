//! Shares: one tenant cannot fill the store, in both engines.

use super::*;

const SHARE: Share = Share { bytes: 20_000, events: 5, entries: 5 };

/// Inserts more events of one tenant than its share allows. Returns how many were stored, and the effects of one more
/// event and of an event of another tenant.
async fn fill(writer: &mut dyn Writer, size: usize) -> (usize, Vec<Effect>, Vec<Effect>) {
    let body = "x".repeat(size);
    let garbage: Vec<Command> =
        (0..8).map(|n| Command::Insert(event("acme", &format!("{n}{body}"), n))).collect();
    let filled = write_all(writer, &garbage).await.unwrap();
    let stored = filled.iter().filter(|effect| **effect == Effect::Done).count();
    let again = write_all(writer, &[Command::Insert(event("acme", "one more", 9))]).await.unwrap();
    let other = write_all(writer, &[Command::Insert(event("globex", "good", 9))]).await.unwrap();
    assert!(filled[stored..].iter().all(|effect| *effect == Effect::OverShare), "{filled:?}");
    (stored, again, other)
}

/// Delivers and deletes all events of a tenant.
async fn deliver_and_delete(store: &Engine, writer: &mut dyn Writer, tenant: &str) {
    let due = store.reader().due(tenant, now() + 1000, 100, true, &[]).await.unwrap();
    let results: Vec<Command> = due.iter().map(|due| finish(due, Next::Delivered)).collect();
    write_all(writer, &results).await.unwrap();
    let later = now() + 60_000;
    write_all(
        writer,
        &[Command::DeleteExpired(RetentionLimits { keys: later, delivered: later, dead: None })],
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn events_over_a_share_are_refused_and_those_of_others_stored_in_sqlite() {
    for (size, expected) in [(10, 5), (5800, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share(SHARE);
        let store = Engine::Sqlite(file.clone());
        store.prepare().await;
        let mut writer = store.writer();

        let (stored, again, other) = fill(&mut *writer, size).await;
        let reopened =
            write_all(&mut *store.writer(), &[Command::Insert(event("acme", &"y".repeat(size), 9))]).await;
        deliver_and_delete(&store, &mut *writer, "acme").await;
        let (stored_again, ..) = fill(&mut *writer, size).await;

        assert_eq!(stored, expected, "events of {size} bytes");
        // When bytes are the limit, a small event still fits.
        assert_eq!(again, [if expected == 5 { Effect::OverShare } else { Effect::Done }]);
        assert_eq!(other, [Effect::Done]);
        assert_eq!(reopened.unwrap(), [Effect::OverShare], "the use is stored, not kept in the writer");
        assert_eq!(stored_again, expected, "deleted events do not count");
    }
}

#[tokio::test]
async fn last_fifth_of_a_file_is_reserved_for_tenants_below_an_equal_part() {
    let folder = tempfile::tempdir().unwrap();
    let most = Share { bytes: i64::MAX, events: i64::MAX, entries: i64::MAX };
    let store = Sqlite::new(&folder.path().join("events.db"), 1 << 20).with_share(most);
    store.prepare().await.unwrap();
    let mut writer = store.writer();
    let body = "x".repeat(20_000);

    let mut stored = 0;
    let refused = loop {
        let new = Command::Insert(event("acme", &format!("{stored}{body}"), stored));
        match write_all(&mut writer, &[new]).await.unwrap()[..] {
            [Effect::Done] => stored += 1,
            ref other => break other.to_vec(),
        }
    };
    let other = write_all(&mut writer, &[Command::Insert(event("globex", &body, 0))]).await.unwrap();

    assert_eq!((refused, other), (vec![Effect::OverShare], vec![Effect::Done]));
    assert!(stored > 20, "{stored} of 20 kB in 1 MiB");
}

#[test]
fn events_over_a_share_are_refused_and_those_of_others_stored_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO).with_share(SHARE);
        let store = Engine::Postgres(database);
        store.prepare().await;
        let mut writer = store.writer();

        let (stored, again, other) = fill(&mut *writer, 10).await;
        let elsewhere = write_all(&mut *store.writer(), &[Command::Insert(event("acme", "z", 9))]).await;
        deliver_and_delete(&store, &mut *writer, "acme").await;
        let (stored_again, ..) = fill(&mut *store.writer(), 10).await;

        assert_eq!((stored, again, other), (5, vec![Effect::OverShare], vec![Effect::Done]));
        assert_eq!(elsewhere.unwrap(), [Effect::OverShare], "another gateway counts the same");
        assert_eq!(stored_again, 5, "deleted events do not count");
    });
}

#[tokio::test]
async fn events_of_an_older_release_count_against_the_share() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share(SHARE);
    let older = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5) \
                 INSERT INTO event(uid, tenant, kind, key_id, body, state, due_ms, received_ms, since_ms, trace) \
                 SELECT randomblob(16), 'acme', '', 1, x'00', 0, 0, 0, 0, '' FROM n";
    file.create_older(2, older).await;

    file.prepare().await.unwrap();
    let more = write_all(&mut file.writer(), &[Command::Insert(event("acme", "more", 9))]).await.unwrap();

    assert_eq!(more, [Effect::OverShare]);
}

/// Regression: the delivered events of a week counted against a tenant's share, and its new notifications were refused.
async fn free_shares(store: &Engine) {
    let mut writer = store.writer();
    let (stored, again, _) = fill(&mut *writer, 10).await;
    let due = store.reader().due("acme", now() + 1000, 100, true, &[]).await.unwrap();
    write_all(&mut *writer, &[finish(&due[0], Next::Delivered)]).await.unwrap();

    let shrunk = write_all(&mut *writer, &[Command::FreeShares]).await.unwrap();
    let nothing = write_all(&mut *writer, &[Command::FreeShares]).await.unwrap();
    let new = write_all(&mut *store.writer(), &[Command::Insert(event("acme", "new", 9))]).await.unwrap();
    let known = store.reader().seen(&[], 9).await.unwrap();

    assert_eq!((stored, again), (5, vec![Effect::OverShare]));
    assert_eq!((shrunk, nothing, new), (vec![Effect::Done], vec![Effect::Nothing], vec![Effect::Done]));
    assert_eq!(known.len(), 1);
}

#[tokio::test]
async fn delivered_events_of_a_tenant_at_its_share_are_deleted_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share(SHARE);
    let store = Engine::Sqlite(file);
    store.prepare().await;

    free_shares(&store).await;
}

#[test]
fn delivered_events_of_a_tenant_at_its_share_are_deleted_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO).with_share(SHARE);
        let store = Engine::Postgres(database);
        store.prepare().await;

        free_shares(&store).await;
    });
}
