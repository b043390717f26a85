//! Connects to the database.

use kyc_model::Secret;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use super::address;
use super::migration::{migrate, open_error};
use super::schema::VERSIONS;
use crate::{KeySearch, OpenError};

/// Migrates the tables to the newest version.
pub(super) async fn prepare(url: &Secret) -> Result<(), OpenError> {
    let mut connection = connect(url).await.map_err(|error| open_error(&error))?;
    migrate(&mut connection, &VERSIONS).await?;
    connection.close().await.map_err(|error| open_error(&error))
}

/// Returns the ids of the encryption keys of all events, or of the oldest and the newest ones.
pub(super) async fn keys(url: &Secret, search: KeySearch) -> Result<Vec<i64>, OpenError> {
    let mut connection = connect(url).await.map_err(|error| open_error(&error))?;
    let query = sqlx::query_scalar(search.query());
    let keys = query.fetch_all(&mut connection).await.map_err(|error| open_error(&error))?;
    connection.close().await.map_err(|error| open_error(&error))?;
    Ok(keys)
}

/// Returns the options of every connection: the address, limits of time, and commits that wait for the disk.
pub(super) fn options(url: &Secret) -> Result<PgConnectOptions, sqlx::Error> {
    let options = address::options(url).map_err(|error| sqlx::Error::Configuration(Box::new(error)))?;
    let limits = [
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "15s"),
        ("synchronous_commit", "on"),
        PLAN,
        JIT,
    ];
    Ok(options.application_name("kyc-gateway").options(limits).disable_statement_logging())
}

/// Creates tables of an older version and runs `script` in them.
#[cfg(test)]
pub(super) async fn create_older(url: &Secret, version: usize, script: &str) {
    let mut connection = connect(url).await.unwrap();
    migrate(&mut connection, &VERSIONS[..version]).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(&mut connection).await.unwrap();
}

/// Connects with limits for statements and locks, so that none of them delays notifications for long.
pub(super) async fn connect(url: &Secret) -> Result<PgConnection, sqlx::Error> {
    options(url)?.connect().await
}

/// Connects for claims, whose commits do not wait for the disk. A crash of the server may lose the last claims, and their
/// events may be delivered again, as after any crash. With 1,000 tenants, a wait for the disk before each attempt would
/// be the slowest step of a delivery.
pub(super) async fn connect_for_claims(url: &Secret) -> Result<PgConnection, sqlx::Error> {
    options(url)?.options([("synchronous_commit", "off")]).connect().await
}

/// Plans each statement for its values. A generic plan that was made while the tables were empty would scan them when
/// they are full.
const PLAN: (&str, &str) = ("plan_cache_mode", "force_custom_plan");
/// Compiling a statement takes longer than any of our statements may run.
const JIT: (&str, &str) = ("jit", "off");
