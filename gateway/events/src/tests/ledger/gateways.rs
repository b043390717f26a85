//! Several gateways on one PostgreSQL database.

use std::sync::Arc;
use std::thread::JoinHandle;

use kyc_harness::postgres::Postgres as Server;

use super::*;

/// Regression: a gateway stored a notification while another one noted its check. Neither saw what the other one wrote; the check
/// stayed open, and was listed as overdue and looked up.
#[test]
fn note_and_notification_by_two_gateways_at_once_settle_the_check() {
    let states = note_while_inserting("SELECT 1");

    assert_eq!(states, (Effect::Settled, Effect::Done, LedgerState::Notified));
}

/// Regression: the notification was stored, and reported as failed, because the check noted meanwhile could not be settled.
#[test]
fn stored_notification_is_reported_although_its_check_cannot_be_settled() {
    let states = note_while_inserting(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE ON started_result FOR EACH ROW EXECUTE FUNCTION refuse()",
    );

    assert_eq!(states, (Effect::Done, Effect::Done, LedgerState::Open));
}

/// Regression: the entry of another tenant of the same Onfido account was locked for each notification of a workflow run.
#[test]
fn entry_of_another_tenant_is_not_waited_for() {
    let server = Arc::new(Server::start().unwrap());
    runtime().block_on(async {
        let store = open(&server).await;
        write(&store, Command::Note(check("globex", "a"))).await;
        let held = hold(&server, "SELECT id FROM started FOR UPDATE");
        one_row(&server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;

        let stored = insert(&store, notification("acme", "check.completed", "a")).await;

        server.query(END_SLEEP).unwrap();
        assert!(held.join().unwrap().is_err(), "the lock was held until the end");
        assert_eq!((stored, entry(&store, "a").await.state), (Effect::Done, LedgerState::Open));
    });
}

async fn open(server: &Server) -> Engine {
    let store = Postgres::new(Secret::new(server.url()), Duration::ZERO);
    store.prepare().await.unwrap();
    Engine::Postgres(store)
}

/// Runs a statement that locks, and keeps the lock until `END_SLEEP`.
fn hold(server: &Arc<Server>, statement: &str) -> JoinHandle<std::io::Result<String>> {
    let (server, script) = (Arc::clone(server), format!("BEGIN; {statement}; SELECT pg_sleep(600); COMMIT"));
    std::thread::spawn(move || server.query(&script))
}

/// Waits until a query counts one row.
async fn one_row(server: &Server, query: &str) {
    while server.query(query).unwrap().trim() != "1" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends the connection that holds a lock.
const END_SLEEP: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";

/// Notes a check after the batch of its notification was planned, and before it is committed. Returns the effects of both, and the
/// state of the check. `script` is run before.
fn note_while_inserting(script: &str) -> (Effect, Effect, LedgerState) {
    let server = Arc::new(Server::start().unwrap());
    runtime().block_on(async {
        let store = open(&server).await;
        server.query(script).unwrap();
        // Lets the ledger and the events be read, and no event be inserted.
        let held = hold(&server, "LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE");
        let locks = async |is_granted: &str| {
            let query = format!(
                "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE relname = 'event' \
                 AND mode IN ('ShareRowExclusiveLock', 'RowExclusiveLock') AND {is_granted}"
            );
            one_row(&server, &query).await;
        };
        locks("granted").await;

        let notified = insert(&store, notification("acme", "check.completed", "a"));
        let noted = async {
            locks("NOT granted").await;
            let noted = write(&store, Command::Note(check("acme", "a"))).await;
            server.query(END_SLEEP).unwrap();
            noted
        };
        let (notified, noted) = tokio::join!(notified, noted);

        assert!(held.join().unwrap().is_err(), "the lock was held until the end");
        (notified, noted, entry(&store, "a").await.state)
    })
}

/// Two gateways on one database never look the same entry up at the same time.
#[test]
fn entry_is_claimed_by_one_gateway() {
    let server = Server::start().unwrap();
    runtime().block_on(async {
        let store = open(&server).await;
        for subject in ["a", "b", "c"] {
            write(&store, Command::Note(check("acme", subject))).await;
        }
        let (mut one, mut other) = (store.reader(), store.reader());
        let lease = Duration::from_secs(60);

        let (of_one, of_other) =
            tokio::join!(one.ledger_due("acme", 0, 2, lease), other.ledger_due("acme", 0, 2, lease));
        let none = one.ledger_due("acme", 0, 9, lease).await.unwrap();

        let (of_one, of_other) = (of_one.unwrap(), of_other.unwrap());
        let mut all: Vec<i64> = of_one.iter().chain(&of_other).map(|entry| entry.id).collect();
        all.sort_unstable();
        all.dedup();
        // A gateway that was killed while it looked an entry up ends no claim: the entry is free again after the lease.
        write(&store, Command::Note(check("globex", "d"))).await;
        for _ in 0..2 {
            let lapsed = one.ledger_due("globex", 0, 2, Duration::ZERO).await.unwrap();
            assert_eq!(lapsed.len(), 1);
        }
        assert_eq!((all.len(), of_one.len() + of_other.len(), none.len()), (3, 3, 0));
    });
}
