//! Connects to a database, and brings its tables to the newest version.

use kyc_model::Secret;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use super::address;
use super::schema::VERSIONS;
use crate::{Extent, OpenError};

pub(super) async fn prepare(url: &Secret) -> Result<(), OpenError> {
    let mut connection = connect(url).await.map_err(|error| failed(&error))?;
    migrate(&mut connection, &VERSIONS).await?;
    connection.close().await.map_err(|error| failed(&error))
}

/// The ids of the keys that events are sealed with: of all, or of the oldest and the newest ones.
pub(super) async fn keys(url: &Secret, extent: Extent) -> Result<Vec<i64>, OpenError> {
    let mut connection = connect(url).await.map_err(|error| failed(&error))?;
    let query = sqlx::query_scalar(extent.query());
    let keys = query.fetch_all(&mut connection).await.map_err(|error| failed(&error))?;
    connection.close().await.map_err(|error| failed(&error))?;
    Ok(keys)
}

fn failed(error: &sqlx::Error) -> OpenError {
    OpenError::Database(super::failure::engine(error).to_string())
}

/// Of several gateways that start together, one changes the tables and the others wait.
async fn migrate(connection: &mut PgConnection, versions: &[&str]) -> Result<(), OpenError> {
    let script = "SELECT pg_advisory_lock(7266371); \
                  CREATE TABLE IF NOT EXISTS event_version(version bigint NOT NULL);";
    sqlx::raw_sql(script).execute(&mut *connection).await.map_err(|error| failed(&error))?;
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM event_version")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failed(&error))?;
    let known = i64::try_from(versions.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::Newer { path: "the database".into(), found, known });
    }
    for (version, change) in (1_i64..).zip(versions) {
        if version > found {
            let script = format!("BEGIN; {change} INSERT INTO event_version VALUES ({version}); COMMIT;");
            sqlx::raw_sql(sqlx::AssertSqlSafe(script))
                .execute(&mut *connection)
                .await
                .map_err(|error| failed(&error))?;
        }
    }
    let script = "SELECT pg_advisory_unlock(7266371)";
    sqlx::raw_sql(script).execute(connection).await.map_err(|error| failed(&error))?;
    Ok(())
}

/// What every connection is made with.
pub(super) fn options(url: &Secret) -> Result<PgConnectOptions, sqlx::Error> {
    let options = address::options(url).map_err(|error| sqlx::Error::Configuration(Box::new(error)))?;
    let limits =
        [("statement_timeout", "10s"), ("lock_timeout", "5s"), ("synchronous_commit", "on"), PLAN, JIT];
    Ok(options.application_name("kyc-gateway").options(limits).disable_statement_logging())
}

/// Makes tables as an older release has left them.
#[cfg(test)]
pub(super) async fn older(url: &Secret, version: usize, script: &str) {
    let mut connection = connect(url).await.unwrap();
    migrate(&mut connection, &VERSIONS[..version]).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(&mut connection).await.unwrap();
}

/// Connects with limits, so that no statement and no lock holds up notifications for long.
pub(super) async fn connect(url: &Secret) -> Result<PgConnection, sqlx::Error> {
    options(url)?.connect().await
}

/// Connects for claims, which a crash of the server may lose: the event is sent again then, as after other crashes. With a
/// thousand tenants a wait for the disk before each try would be the slowest part of it.
pub(super) async fn connect_for_claims(url: &Secret) -> Result<PgConnection, sqlx::Error> {
    options(url)?.options([("synchronous_commit", "off")]).connect().await
}

/// A plan that was made while the tables were empty reads all of them later.
const PLAN: (&str, &str) = ("plan_cache_mode", "force_custom_plan");
/// To compile a statement takes longer than any of ours may run.
const JIT: (&str, &str) = ("jit", "off");
