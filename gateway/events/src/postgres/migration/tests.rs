use kyc_model::Secret;
use sqlx::ConnectOptions;

use super::*;
use crate::postgres::open::{connect, options};
use crate::postgres::schema::VERSIONS;

/// Regression: the migration waited without limit for a lock that `pg_dump` had, and all statements on the table waited behind it, until
/// they failed.
#[test]
fn migration_waits_for_a_dump_and_lets_others_pass() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = Secret::new(server.url());
        let mut other = connect(&url).await.unwrap();
        migrate(&mut other, &VERSIONS[..5]).await.unwrap();
        sqlx::raw_sql("RESET lock_timeout").execute(&mut other).await.unwrap();
        let dump = options(&url).unwrap().application_name("pg_dump");
        let mut dump = dump.options([("idle_in_transaction_session_timeout", "0")]).connect().await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE event IN ACCESS SHARE MODE").execute(&mut dump).await.unwrap();

        let mut migrating = connect(&url).await.unwrap();
        let migration = tokio::spawn(async move { migrate(&mut migrating, &VERSIONS).await });
        let is_waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)";
        while !sqlx::query_scalar::<_, bool>(is_waiting).fetch_one(&mut other).await.unwrap() {
            tokio::task::yield_now().await;
        }
        let read = sqlx::raw_sql("SELECT count(*) FROM event").execute(&mut other).await;
        let is_finished = migration.is_finished();
        let sessions = sessions(&mut other).await.unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut dump).await.unwrap();
        let migrated = migration.await.unwrap();
        let version: i64 =
            sqlx::query_scalar("SELECT max(version) FROM event_version").fetch_one(&mut other).await.unwrap();

        assert!(read.is_ok(), "{read:?}");
        assert!(!is_finished);
        assert!(sessions.iter().any(|session| session.ends_with(" pg_dump")), "{sessions:?}");
        assert!(migrated.is_ok(), "{migrated:?}");
        assert_eq!(usize::try_from(version), Ok(VERSIONS.len()));
    });
}
