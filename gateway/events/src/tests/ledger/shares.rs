//! The number of entries that one tenant may have.

use super::*;

const SHARE: Share = Share { bytes: i64::MAX, events: i64::MAX, entries: 3 };
const FIVE: Share = Share { entries: 5, ..SHARE };

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
    // What is settled counts, too.
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

/// Regression: settled entries counted against the limit for 90 days, and a tenant with many checks lost the new ones.
async fn settled_entries_of_a_busy_tenant(store: &Engine) {
    let numbered = |number: i64| {
        let started = now() - 100_000 + number * 1000;
        Command::Note(NewEntry { started, ..check("acme", &format!("check {number}")) })
    };
    let note = async |number: i64| write(store, numbered(number)).await;
    for number in 0..5 {
        assert_eq!(note(number).await, Effect::Done);
    }
    insert(store, notification("acme", "check.completed", "check 1")).await;
    insert(store, notification("acme", "check.completed", "check 3")).await;

    let refused = note(5).await;
    let freed = [write(store, Command::FreeShares).await, write(store, Command::FreeShares).await];
    let noted = note(5).await;
    let freed_again = [write(store, Command::FreeShares).await, write(store, Command::FreeShares).await];
    let noted_again = note(6).await;
    let nothing_settled = write(store, Command::FreeShares).await;
    let of_open = note(7).await;

    assert_eq!((refused, noted, noted_again), (Effect::OverShare, Effect::Done, Effect::Done));
    assert_eq!((freed, freed_again), ([Effect::Done, Effect::Nothing], [Effect::Done, Effect::Nothing]));
    assert_eq!((nothing_settled, of_open), (Effect::Nothing, Effect::OverShare));
    let left = store.reader().ledger_records(0, 9).await.unwrap();
    let left: Vec<&str> = left.iter().map(|entry| entry.subject.as_str()).collect();
    assert_eq!(left, ["check 0", "check 2", "check 4", "check 5", "check 6"]);
}

/// Regression: a note that was committed after its call had stopped waiting was repeated, refused, and counted as lost.
async fn repeated_notes_at_the_limit(store: &Engine) {
    for subject in ["a", "b", "c", "d", "e"] {
        write(store, Command::Note(check("acme", subject))).await;
    }
    let subjects = ["a", "new", "e", "e-face"];
    let batch = subjects.map(|subject| Command::Note(check("acme", subject)));

    let effects = write_all(&mut *store.writer(), &batch).await.unwrap();
    let of_other_tenant = write(store, Command::Note(check("globex", "a"))).await;

    assert_eq!(effects, [Effect::Nothing, Effect::OverShare, Effect::Nothing, Effect::OverShare]);
    assert_eq!(of_other_tenant, Effect::Done);
}

/// Runs each step with a store of its own in which a tenant may have so many entries.
macro_rules! with_a_share {
    ($($name:ident, $share:ident, $sqlite:ident, $postgres:ident;)*) => { $(
        #[tokio::test]
        async fn $sqlite() {
            let folder = tempfile::tempdir().unwrap();
            let file = Sqlite::new(&folder.path().join("events.db"), SIZE).with_share($share);
            file.prepare().await.unwrap();
            $name(&Engine::Sqlite(file)).await;
        }

        #[test]
        fn $postgres() {
            let server = kyc_harness::postgres::Postgres::start().unwrap();
            runtime().block_on(async {
                let store = Postgres::new(Secret::new(server.url()), Duration::ZERO).with_share($share);
                store.prepare().await.unwrap();
                $name(&Engine::Postgres(store)).await;
            });
        }
    )* };
}

with_a_share! {
    entries_over_a_share, SHARE, entries_over_a_share_are_not_noted_and_those_of_others_are_in_sqlite,
        entries_over_a_share_are_not_noted_and_those_of_others_are_in_postgres;
    settled_entries_of_a_busy_tenant, FIVE, settled_entries_of_a_busy_tenant_are_deleted_early_in_sqlite,
        settled_entries_of_a_busy_tenant_are_deleted_early_in_postgres;
    repeated_notes_at_the_limit, FIVE, repeated_notes_at_the_limit_change_nothing_in_sqlite,
        repeated_notes_at_the_limit_change_nothing_in_postgres;
}
