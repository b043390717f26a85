//! The selection of due events, in both engines.

use std::time::Duration;

use super::*;

/// Reads the due events of one tenant.
pub(super) trait OneTenant: Reader {
    async fn due(
        &mut self,
        tenant: &str,
        now: Millis,
        limit: usize,
        retries: bool,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError> {
        let wanted = DueRequest { tenant: tenant.to_owned(), limit, retries };
        self.due_of(&[wanted], now, except).await
    }
}

impl<R: Reader + ?Sized> OneTenant for R {}

/// Regression: a probe took the oldest event, with which the portal often failed again, and deliverable events behind it
/// waited.
async fn take_newest_without_attempts(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let start = now() - 60_000;
    for (body, at) in [("attempted", 0), ("old", 1), ("new", 2), ("attempted too", 3)] {
        let new = Command::Insert(event("acme", body, start + at));
        write_all(&mut *writer, &[new]).await.unwrap();
    }
    let due = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();
    let again = Next::Waiting { due: now(), counted: true };
    write_all(&mut *writer, &[finish(&due[0], again), finish(&due[3], again)]).await.unwrap();

    let mut found = Vec::new();
    let mut except = Vec::new();
    for _ in 0..3 {
        for event in reader.newest_untried("acme", now() + 1000, &except).await.unwrap() {
            except.push(event.claim.id);
            found.push(
                String::from_utf8(keyring().open(event.uid, &event.owner, &event.body).unwrap()).unwrap(),
            );
        }
    }

    assert_eq!(found, ["new", "old"], "no third event is without attempts");
}

#[tokio::test]
async fn probe_takes_the_newest_event_without_attempts_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    take_newest_without_attempts(&Engine::Sqlite(store(folder.path()).await)).await;
}

/// Regression: each lane had a query of its own. With 1,000 lanes, PostgreSQL delivered 416 events per second instead of
/// 1,728.
async fn due_events_of_several_tenants(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let start = now() - 60_000;
    for tenant in ["acme", "globex", "initech", "late"] {
        let new = (0..3).map(|n| event(tenant, &format!("{tenant}-{n}"), start + n));
        write_all(&mut *writer, &new.map(Command::Insert).collect::<Vec<_>>()).await.unwrap();
    }
    let due = reader.due("late", now() + 1000, 3, true, &[]).await.unwrap();
    let later = Next::Waiting { due: now() + 600_000, counted: true };
    let results: Vec<Command> = due.iter().map(|due| finish(due, later)).collect();
    write_all(&mut *writer, &results).await.unwrap();
    let first = reader.due("globex", now() + 1000, 1, true, &[]).await.unwrap();
    let again = Next::Waiting { due: now() - 1000, counted: true };
    write_all(&mut *writer, &[finish(&first[0], again)]).await.unwrap();
    let in_flight = reader.due("acme", now() + 1000, 1, true, &[]).await.unwrap();

    let wanted = [("acme", 9, true), ("globex", 9, false), ("initech", 2, true), ("late", 9, true)];
    let wanted =
        wanted.map(|(tenant, limit, retries)| DueRequest { tenant: tenant.to_owned(), limit, retries });
    let found = reader.due_of(&wanted, now() + 1000, &[in_flight[0].claim.id]).await.unwrap();

    let mut counts = BTreeMap::new();
    found.iter().for_each(|due| *counts.entry(due.owner.tenant.as_str()).or_insert(0) += 1);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("acme", 2), ("globex", 2), ("initech", 2)]);
    let excluded = [in_flight[0].claim.id, first[0].claim.id];
    assert!(
        found.iter().all(|due| !excluded.contains(&due.claim.id)),
        "being delivered, or attempted before"
    );
    assert!(reader.due_of(&[], now(), &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn due_events_of_several_tenants_are_read_in_one_call_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();

    due_events_of_several_tenants(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn due_events_of_several_tenants_are_read_in_one_call_in_postgres() {
    with_postgres(MINUTE, |store| async move { due_events_of_several_tenants(&store).await });
}

#[test]
fn probe_takes_the_newest_event_without_attempts_in_postgres() {
    with_postgres(Duration::ZERO, |store| async move { take_newest_without_attempts(&store).await });
}

fn with_postgres<F: Future<Output = ()>>(lease: Duration, check: impl FnOnce(Engine) -> F) {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), lease));
        store.prepare().await;
        check(store).await;
    });
}

const MINUTE: Duration = Duration::from_secs(60);
