//! The number of entries that one tenant may have.

use super::*;

const SHARE: Share = Share { bytes: i64::MAX, events: i64::MAX, entries: 3 };

/// A tenant that starts any number of checks, as with a token of Onfido's sandbox, does not fill the ledger.
async fn entries_over_a_share(store: &Engine) {
    let notes = |tenant: &str, count: usize| -> Vec<Command> {
        (0..count).map(|number| Command::Note(check(tenant, &format!("{tenant} {number}")))).collect()
    };
    let mut writer = store.writer();

    let flood = write_all(&mut *writer, &notes("acme", 5)).await.unwrap();
    let again = write_all(&mut *writer, &[Command::Note(check("acme", "later"))]).await.unwrap();
    let other = write_all(&mut *writer, &notes("globex", 3)).await.unwrap();
    let of_other_writer = write(store, Command::Note(check("acme", "later"))).await;
    // What is settled counts, too, until it is deleted.
    insert(store, notification("acme", "check.completed", "acme 0")).await;
    let after_notification = write(store, Command::Note(check("acme", "later"))).await;
    write(store, Command::DeleteEntries { before: now() + 60_000 }).await;
    let after_deletion = write(store, Command::Note(check("acme", "later"))).await;

    assert_eq!(flood[..3], [Effect::Done; 3]);
    assert_eq!(flood[3..], [Effect::OverShare; 2]);
    assert_eq!(
        (again[0], of_other_writer, after_notification),
        (Effect::OverShare, Effect::OverShare, Effect::OverShare)
    );
    assert_eq!(other, [Effect::Done; 3]);
    assert_eq!(after_deletion, Effect::Done);
}

#[tokio::test]
async fn entries_over_a_share_are_not_noted_and_those_of_others_are_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share(SHARE);
    file.prepare().await.unwrap();
    entries_over_a_share(&Engine::Sqlite(file)).await;
}

#[test]
fn entries_over_a_share_are_not_noted_and_those_of_others_are_in_postgres() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Postgres::new(Secret::new(server.url()), Duration::ZERO).with_share(SHARE);
        store.prepare().await.unwrap();
        entries_over_a_share(&Engine::Postgres(store)).await;
    });
}
