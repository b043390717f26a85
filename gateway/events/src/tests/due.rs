//! Which events are sent next, in each engine.

use std::time::Duration;

use super::*;

/// Asks for the events of one tenant.
pub(super) trait OneTenant: Reader {
    async fn due(
        &mut self,
        tenant: &str,
        now: Millis,
        limit: usize,
        retries: bool,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError> {
        let wanted = Wanted { tenant: tenant.to_owned(), limit, retries };
        self.due_of(&[wanted], now, except).await
    }
}

impl<R: Reader + ?Sized> OneTenant for R {}

/// The probe took the oldest event, which its portal mostly fails with again, and the good ones behind it waited.
async fn the_newest_untried(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let begin = now() - 60_000;
    for (body, at) in [("tried", 0), ("old", 1), ("new", 2), ("retried", 3)] {
        let new = Command::Insert(event("acme", body, begin + at));
        written(&mut *writer, &[new]).await.unwrap();
    }
    let due = reader.due("acme", now() + 1000, 9, true, &[]).await.unwrap();
    let again = Next::Waiting { due: now(), counted: true };
    written(&mut *writer, &[finish(&due[0], again), finish(&due[3], again)]).await.unwrap();

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

    assert_eq!(found, ["new", "old"], "and then there is none");
}

#[tokio::test]
async fn a_probe_takes_the_newest_untried_event_of_a_file() {
    let folder = tempfile::tempdir().unwrap();

    the_newest_untried(&Engine::Sqlite(store(folder.path()).await)).await;
}

/// Each lane was asked for on its own: with 1,000 lanes, a database delivered 416 events a second instead of 1,728.
async fn the_first_of_several_tenants(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let begin = now() - 60_000;
    for tenant in ["acme", "globex", "initech", "late"] {
        let new = (0..3).map(|n| event(tenant, &format!("{tenant}-{n}"), begin + n));
        written(&mut *writer, &new.map(Command::Insert).collect::<Vec<_>>()).await.unwrap();
    }
    let due = reader.due("late", now() + 1000, 3, true, &[]).await.unwrap();
    let later = Next::Waiting { due: now() + 600_000, counted: true };
    let ends: Vec<Command> = due.iter().map(|due| finish(due, later)).collect();
    written(&mut *writer, &ends).await.unwrap();
    let first = reader.due("globex", now() + 1000, 1, true, &[]).await.unwrap();
    let again = Next::Waiting { due: now() - 1000, counted: true };
    written(&mut *writer, &[finish(&first[0], again)]).await.unwrap();
    let under_way = reader.due("acme", now() + 1000, 1, true, &[]).await.unwrap();

    let wanted = [("acme", 9, true), ("globex", 9, false), ("initech", 2, true), ("late", 9, true)];
    let wanted = wanted.map(|(tenant, limit, retries)| Wanted { tenant: tenant.to_owned(), limit, retries });
    let found = reader.due_of(&wanted, now() + 1000, &[under_way[0].claim.id]).await.unwrap();

    let mut counts = BTreeMap::new();
    found.iter().for_each(|due| *counts.entry(due.owner.tenant.as_str()).or_insert(0) += 1);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("acme", 2), ("globex", 2), ("initech", 2)]);
    let not_asked_for = [under_way[0].claim.id, first[0].claim.id];
    assert!(found.iter().all(|due| !not_asked_for.contains(&due.claim.id)), "under way, and tried before");
    assert!(reader.due_of(&[], now(), &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn several_tenants_are_asked_for_in_one_step_in_a_file() {
    let folder = tempfile::tempdir().unwrap();

    the_first_of_several_tenants(&Engine::Sqlite(store(folder.path()).await)).await;
}

#[test]
fn several_tenants_are_asked_for_in_one_step_in_a_database() {
    in_a_database(MINUTE, |store| async move { the_first_of_several_tenants(&store).await });
}

#[test]
fn a_probe_takes_the_newest_untried_event_of_a_database() {
    in_a_database(Duration::ZERO, |store| async move { the_newest_untried(&store).await });
}

fn in_a_database<F: Future<Output = ()>>(lease: Duration, check: impl FnOnce(Engine) -> F) {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), lease));
        store.prepare().await;
        check(store).await;
    });
}

const MINUTE: Duration = Duration::from_secs(60);
