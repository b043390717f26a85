//! The event with which a breaker's probe asks a portal, in each engine.

use super::*;

/// The probe took the oldest event, which its portal mostly fails with again, and the good ones behind it waited.
async fn the_newest_untried(store: &Engine) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let begin = now() - 60_000;
    for (body, at) in [("tried", 0), ("old", 1), ("new", 2), ("retried", 3)] {
        let new = Change::Insert(event("acme", body, begin + at));
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

#[test]
fn a_probe_takes_the_newest_untried_event_of_a_database() {
    let server = kyc_sandbox::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Engine::Postgres(Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO));
        store.prepare().await;

        the_newest_untried(&store).await;
    });
}
