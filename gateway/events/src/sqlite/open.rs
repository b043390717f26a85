//! Opens a store file, or says why not.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::damage_mark::{is_marked, unmark};
use super::schema::VERSIONS;
use crate::lock::trace_of;
use crate::paths::{DRAFT, beside, make_folder, sync_name};
use crate::{Extent, OpenError};

/// Makes an empty store beside its place, where a process that dies on the way leaves nothing half done.
pub(super) async fn draft(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    let draft = beside(path, DRAFT);
    let folder = |error: std::io::Error| OpenError::Folder { path: draft.clone(), reason: error.to_string() };
    make_folder(path).map_err(folder)?;
    match std::fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(folder(error)),
    }
    // What SQLite puts beside it gets the same mode.
    File::options().write(true).create_new(true).mode(0o600).open(&draft).map_err(folder)?;
    let mut connection = connect(&draft, max_bytes, false).await?;
    migrate(&draft, &mut connection, 0, &VERSIONS).await?;
    connection.close().await.map_err(|error| OpenError::Folder { path: draft, reason: error.to_string() })
}

pub(super) async fn prepare(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    if !path.exists() {
        begin(path, max_bytes).await?;
    }
    let damaged = |reason: String| OpenError::Damaged { path: path.to_owned(), reason };
    let was_damaged = is_marked(path);
    let (mut connection, found) = opened(path, max_bytes).await?;
    if was_damaged {
        verify(path, &mut connection, "PRAGMA quick_check(1)").await?;
        unmark(path)?;
    }
    if found == 0 {
        return Err(damaged("it has no version".to_owned()));
    }
    migrate(path, &mut connection, found, &VERSIONS).await?;
    connection.close().await.map_err(|error| damaged(error.to_string()))
}

/// Puts an empty store into its place.
async fn begin(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    if let Some(trace) = trace_of(path) {
        return Err(OpenError::StoreGone { path: path.to_owned(), trace });
    }
    if !beside(path, DRAFT).exists() {
        draft(path, max_bytes).await?;
    }
    let place = || {
        std::fs::rename(beside(path, DRAFT), path)?;
        // The name, too, has to outlive a loss of power.
        sync_name(path)
    };
    place().map_err(|error| OpenError::Folder { path: path.to_owned(), reason: error.to_string() })
}

/// The ids of the keys that events are sealed with: of all, or of the oldest and the newest ones.
pub(super) async fn keys(path: &Path, max_bytes: u64, extent: Extent) -> Result<Vec<i64>, OpenError> {
    let damaged =
        |error: sqlx::Error| OpenError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let mut connection = connect(path, max_bytes, false).await?;
    let keys = sqlx::query_scalar(extent.query()).fetch_all(&mut connection).await.map_err(damaged)?;
    connection.close().await.map_err(damaged)?;
    Ok(keys)
}

/// Takes the write-ahead log into the file; nobody else may have it open.
pub(super) async fn close(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    let damaged =
        |error: sqlx::Error| OpenError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let mut connection = connect(path, max_bytes, false).await?;
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.map_err(damaged)?;
    connection.close().await.map_err(damaged)
}

/// Writes a consistent copy of the whole file.
pub(super) async fn backup(path: &Path, max_bytes: u64, to: &Path) -> Result<(), OpenError> {
    let damaged =
        |error: sqlx::Error| OpenError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let mut connection = connect(path, max_bytes, false).await?;
    let target = to.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO ?1").bind(target).execute(&mut connection).await.map_err(damaged)?;
    connection.close().await.map_err(damaged)
}

/// Looks a file over that is no store in use.
pub(super) async fn inspect(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    let damaged = |reason: String| OpenError::Damaged { path: path.to_owned(), reason };
    let (mut connection, found) = opened(path, max_bytes).await?;
    verify(path, &mut connection, "PRAGMA integrity_check(1)").await?;
    if usize::try_from(found) != Ok(VERSIONS.len()) {
        return Err(damaged(format!("it has version {found}, and this release {}", VERSIONS.len())));
    }
    connection.close().await.map_err(|error| damaged(error.to_string()))
}

/// Opens a file, and says which version it has.
async fn opened(path: &Path, max_bytes: u64) -> Result<(SqliteConnection, i64), OpenError> {
    let mut connection = connect(path, max_bytes, false).await?;
    let found = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await;
    match found {
        Ok(found) => Ok((connection, found)),
        Err(error) => Err(OpenError::Damaged { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// Makes sure that a check finds the file whole.
async fn verify(
    path: &Path,
    connection: &mut SqliteConnection,
    check: &'static str,
) -> Result<(), OpenError> {
    let verdict: Result<String, sqlx::Error> = sqlx::query_scalar(check).fetch_one(connection).await;
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(reason) => Err(OpenError::Damaged { path: path.to_owned(), reason }),
        Err(error) => Err(OpenError::Damaged { path: path.to_owned(), reason: error.to_string() }),
    }
}

async fn migrate(
    path: &Path,
    connection: &mut SqliteConnection,
    found: i64,
    versions: &[&str],
) -> Result<(), OpenError> {
    let known = i64::try_from(versions.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    let written = |error: sqlx::Error| OpenError::Folder { path: path.to_owned(), reason: error.to_string() };
    for (version, change) in (1_i64..).zip(versions) {
        if version > found {
            let script = format!("BEGIN IMMEDIATE; {change} PRAGMA user_version = {version}; COMMIT;");
            sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *connection).await.map_err(written)?;
        }
    }
    // A store that cannot be written to is found out now, not by the first notification.
    sqlx::raw_sql("BEGIN IMMEDIATE; UPDATE event SET state = state WHERE id = -1; COMMIT;")
        .execute(connection)
        .await
        .map_err(written)?;
    Ok(())
}

/// Makes a store as an older release has left it.
#[cfg(test)]
pub(super) async fn older(path: &Path, version: usize, script: &str) {
    let mut connection = connect(path, 1 << 30, true).await.unwrap();
    migrate(path, &mut connection, 0, &VERSIONS[..version]).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Opens the file with the settings that durability rests on, and makes sure of them.
pub(super) async fn connect(
    path: &Path,
    max_bytes: u64,
    create: bool,
) -> Result<SqliteConnection, OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let damaged =
        |error: sqlx::Error| OpenError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let mut connection = options.connect().await.map_err(damaged)?;
    let synchronous: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut connection).await.map_err(damaged)?;
    let journal: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.map_err(damaged)?;
    if synchronous != SYNCHRONOUS_FULL {
        return Err(OpenError::Pragma { path: path.to_owned(), pragma: "synchronous = FULL" });
    }
    if journal != "wal" {
        return Err(OpenError::Pragma { path: path.to_owned(), pragma: "journal_mode = WAL" });
    }
    let page: i64 =
        sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut connection).await.map_err(damaged)?;
    // The store is full for events before it is for results: those must be recorded.
    let pages = max_bytes / u64::try_from(page).unwrap_or(4096).max(512) / 10 * 11 + RESULTS;
    // A log that was long for a while is cut when it begins anew.
    let limits = format!("PRAGMA max_page_count = {pages}; PRAGMA journal_size_limit = {KEPT_LOG}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(limits)).execute(&mut connection).await.map_err(damaged)?;
    Ok(connection)
}

const SYNCHRONOUS_FULL: i64 = 2;
/// Bytes of the write-ahead log that stay when it begins anew.
const KEPT_LOG: u64 = 16 * 1024 * 1024;
/// Pages that only results may take.
const RESULTS: u64 = 256;
/// How long a statement waits for another process's lock, during a hot upgrade.
const BUSY: Duration = Duration::from_secs(3);
