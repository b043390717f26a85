//! Deduplication keys of deleted events count against the share of their tenant, in both engines.

use super::*;

const SHARE: Share = Share { bytes: 45_000, events: 500, entries: 500 };
const DAY: Millis = 24 * 3600 * 1000;

/// Inserts, delivers and deletes `count` events of a tenant; their deduplication keys stay.
async fn leave_keys(store: &Engine, tenant: &str, count: i64) {
    let later = now() + 60_000;
    for part in (0..count).collect::<Vec<_>>().chunks(10) {
        // A new writer of PostgreSQL queries the use of the tenants; an older one uses figures of up to 5 s ago.
        let mut writer = store.writer();
        let new: Vec<Command> =
            part.iter().map(|n| Command::Insert(event(tenant, &n.to_string(), now()))).collect();
        write_all(&mut *writer, &new).await.unwrap();
        let due = store.reader().due(tenant, later, 1000, true, &[]).await.unwrap();
        let results: Vec<Command> = due.iter().map(|due| finish(due, Next::Delivered)).collect();
        write_all(&mut *writer, &results).await.unwrap();
        let sweep = RetentionLimits { keys: 0, delivered: later, dead: None };
        write_all(&mut *writer, &[Command::DeleteExpired(sweep)]).await.unwrap();
    }
}

/// Regression: each event left a key for 90 days that counted against no share, so a tenant could fill the store.
async fn keys_stay_within_the_share(store: &Engine) {
    leave_keys(store, "globex", 1).await;
    leave_keys(store, "acme", 300).await;
    let mut writer = store.writer();

    for _ in 0..3 {
        write_all(&mut *writer, &[Command::FreeShares]).await.unwrap();
    }
    let left = store.reader().seen(&[], 1000).await.unwrap().len();
    let mut again = Vec::new();
    for (tenant, body) in [("globex", "0"), ("acme", "299"), ("acme", "0")] {
        again.extend(write_all(&mut *writer, &[Command::Insert(event(tenant, body, now()))]).await.unwrap());
    }

    assert!(left <= 176, "{left} keys of 128 bytes in a share of 45,000");
    assert_eq!(
        again,
        [Effect::Nothing, Effect::Nothing, Effect::Done],
        "only the oldest keys of that tenant are deleted"
    );
}

#[tokio::test]
async fn keys_of_a_tenant_stay_within_its_share_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share(SHARE);
    let store = Engine::Sqlite(file);
    store.prepare().await;

    keys_stay_within_the_share(&store).await;
}

#[test]
fn keys_of_a_tenant_stay_within_its_share_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let database = Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO).with_share(SHARE);
        let store = Engine::Postgres(database);
        store.prepare().await;

        keys_stay_within_the_share(&store).await;
    });
}

/// Regression: the oldest keys of all tenants were deleted first, so one tenant's keys displaced those of others.
#[tokio::test]
async fn file_full_of_keys_deletes_those_of_the_tenant_with_most_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), 2 << 20);
    let known = keyring().dedup(&owner("globex"), b"a").current;
    let old = now() - 10 * DAY;
    let insert = "INSERT INTO event(uid, tenant, dedup, kind, key_id, body, state, due_ms, received_ms, since_ms, \
                  done_ms, trace) SELECT randomblob(16)";
    let script = format!(
        "{insert}, 'globex', x'{}', '', 1, x'00', 1, 0, {old}, 0, 0, ''; \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 40000) \
         {insert}, 'acme', randomblob(16), '', 1, x'00', 1, 0, {old} + n, 0, 0, '' FROM n; DELETE FROM event",
        hex::encode(&known)
    );
    file.create_older(7, &script).await;

    let effects = write_all(&mut file.writer(), &[Command::Insert(event("acme", "a", 0))]).await.unwrap();
    let left = file.reader().seen(&[], 100_000).await.unwrap();

    assert_eq!(effects, [Effect::Full]);
    assert!(left.len() < 40_000, "{} keys", left.len());
    assert!(left.iter().any(|seen| seen.dedup == known), "the other tenant's key stays");
}
