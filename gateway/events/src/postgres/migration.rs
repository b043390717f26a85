//! Migrates the tables of the database while others use them.
//!
//! A migration needs exclusive locks. While it waits for one, every later statement on the table waits behind it: a `pg_dump` that runs
//! for an hour would stop all gateways for an hour. So each try waits only [`LOCK_TIMEOUT`], and then lets the others pass.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::error::store_error;
use crate::OpenError;

/// Applies the versions that the database does not have yet. Of several gateways that start together, one gets the advisory
/// lock and the others wait for it. An error ends the session, and with it the lock. Statements have no time limit: an index over many
/// events takes longer than a statement may otherwise.
pub(super) async fn migrate(connection: &mut PgConnection, versions: &[&str]) -> Result<(), OpenError> {
    let script = "SET statement_timeout = 0; SET lock_timeout = 0";
    sqlx::raw_sql(script).execute(&mut *connection).await.map_err(|error| open_error(&error))?;
    let is_first: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(7266371)")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| open_error(&error))?;
    if !is_first {
        tracing::info!("another gateway migrates the event store; waiting for its end");
        let script = "SELECT pg_advisory_lock(7266371)";
        sqlx::raw_sql(script).execute(&mut *connection).await.map_err(|error| open_error(&error))?;
    }
    let script = "CREATE TABLE IF NOT EXISTS event_version(version bigint NOT NULL);";
    sqlx::raw_sql(script).execute(&mut *connection).await.map_err(|error| open_error(&error))?;
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM event_version")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| open_error(&error))?;
    let known = i64::try_from(versions.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::Newer { path: "the database".into(), found, known });
    }
    for (version, migration) in (1_i64..).zip(versions) {
        if version > found {
            apply(connection, version, migration).await?;
        }
    }
    let script = "SELECT pg_advisory_unlock(7266371)";
    sqlx::raw_sql(script).execute(connection).await.map_err(|error| open_error(&error))?;
    Ok(())
}

/// Converts an error without the server's message, which may quote a row.
pub(super) fn open_error(error: &sqlx::Error) -> OpenError {
    OpenError::Database(store_error(error).to_string())
}

/// Applies one version, and tries again as long as others hold locks on the tables.
async fn apply(connection: &mut PgConnection, version: i64, migration: &str) -> Result<(), OpenError> {
    let script = format!(
        "BEGIN; SET LOCAL lock_timeout = '{}ms'; {migration} INSERT INTO event_version VALUES ({version}); COMMIT;",
        LOCK_TIMEOUT.as_millis()
    );
    let mut pause = FIRST_PAUSE;
    loop {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(script.clone())).execute(&mut *connection).await;
        match done {
            Ok(_) => return Ok(()),
            Err(error) if is_locked_out(&error) => {}
            Err(error) => return Err(open_error(&error)),
        }
        sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.map_err(|error| open_error(&error))?;
        // Only for the log: not to know them ends nothing.
        let sessions = sessions(connection).await.unwrap_or_default().join(", ");
        let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            version,
            sessions,
            retry_ms,
            "the migration of the event store waits for sessions that use its tables"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Returns whether another session had a lock: `lock_not_available`, `deadlock_detected`.
fn is_locked_out(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

/// Returns the process ids and names of the sessions that have locks on the tables, the oldest transactions first.
async fn sessions(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let found: Vec<(i32, Option<String>)> = sqlx::query_as(SESSIONS).fetch_all(connection).await?;
    // Each client chooses its name.
    let name = |name: Option<String>| name.unwrap_or_default().escape_debug().to_string();
    Ok(found.into_iter().map(|(pid, application)| format!("{pid} {}", name(application))).collect())
}

/// Of other users' sessions the server shows no times unless ours may read statistics.
const SESSIONS: &str = "SELECT pid, min(application_name) FROM pg_locks JOIN pg_stat_activity USING (pid) \
     WHERE locktype = 'relation' AND granted AND pid <> pg_backend_pid() \
     AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND relation IN (SELECT oid FROM pg_class WHERE relkind = 'r' \
       AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) \
       AND relname IN ('event', 'attempt', 'event_use', 'seen', 'started', 'started_result', 'started_use')) \
     GROUP BY pid ORDER BY min(xact_start) NULLS LAST LIMIT 5";
/// Shorter than the `lock_timeout` of other connections, so that their statements wait and do not fail.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// The wait after the first try; each one is twice as long as the last, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
