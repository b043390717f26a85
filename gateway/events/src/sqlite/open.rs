//! Creates, migrates and opens the file of a store.
//!
//! Nothing here replaces a file that cannot be used: an empty store in its place would hide that acknowledged events are
//! lost. The operator gets an error that says what to restore.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::damage_mark::{is_marked, unmark};
use super::schema::VERSIONS;
use crate::lock::find_leftover;
use crate::paths::{DRAFT, make_folder, path_with_suffix, sync_parent_folder};
use crate::{KeySearch, OpenError};

/// Creates an empty store under a temporary name. A crash leaves only that file, never an incomplete store under the final
/// name.
pub(super) async fn draft(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    let draft = path_with_suffix(path, DRAFT);
    let cannot_create =
        |error: std::io::Error| OpenError::Folder { path: draft.clone(), reason: error.to_string() };
    make_folder(path).map_err(cannot_create)?;
    match std::fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(cannot_create(error)),
    }
    // SQLite gives its write-ahead log and shared-memory file the mode of the database file.
    File::options().write(true).create_new(true).mode(0o600).open(&draft).map_err(cannot_create)?;
    let mut connection = connect(&draft, max_bytes, false).await?;
    migrate(&draft, &mut connection, 0, &VERSIONS).await?;
    connection.close().await.map_err(|error| OpenError::Folder { path: draft, reason: error.to_string() })
}

/// Creates the file if there is none, and migrates it to the newest version.
pub(super) async fn prepare(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    if !path.exists() {
        create(path, max_bytes).await?;
    }
    let damaged = |reason: String| OpenError::Damaged { path: path.to_owned(), reason };
    let was_damaged = is_marked(path);
    let (mut connection, found) = connect_with_version(path, max_bytes).await?;
    if was_damaged {
        verify(path, &mut connection, "PRAGMA quick_check(1)").await?;
        unmark(path)?;
    }
    if found == 0 {
        return Err(damaged("its user_version is 0".to_owned()));
    }
    migrate(path, &mut connection, found, &VERSIONS).await?;
    connection.close().await.map_err(|error| damaged(error.to_string()))
}

/// Gives an empty store its final name; creates it first if there is none.
async fn create(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    // Other files of a store exist, so a store was lost or moved: an empty one must not replace it.
    if let Some(trace) = find_leftover(path) {
        return Err(OpenError::StoreGone { path: path.to_owned(), trace });
    }
    if !path_with_suffix(path, DRAFT).exists() {
        draft(path, max_bytes).await?;
    }
    let rename = || {
        std::fs::rename(path_with_suffix(path, DRAFT), path)?;
        // The directory entry, too, must survive a power failure.
        sync_parent_folder(path)
    };
    rename().map_err(|error| OpenError::Folder { path: path.to_owned(), reason: error.to_string() })
}

/// Returns the ids of the encryption keys of all events, or of the oldest and the newest ones.
pub(super) async fn keys(path: &Path, max_bytes: u64, search: KeySearch) -> Result<Vec<i64>, OpenError> {
    let damaged =
        |error: sqlx::Error| OpenError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let mut connection = connect(path, max_bytes, false).await?;
    let keys = sqlx::query_scalar(search.query()).fetch_all(&mut connection).await.map_err(damaged)?;
    connection.close().await.map_err(damaged)?;
    Ok(keys)
}

/// Checkpoints and truncates the write-ahead log; no other process may have the file open.
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

/// Checks the integrity and the version of a file that no gateway uses.
pub(super) async fn inspect(path: &Path, max_bytes: u64) -> Result<(), OpenError> {
    let damaged = |reason: String| OpenError::Damaged { path: path.to_owned(), reason };
    let (mut connection, found) = connect_with_version(path, max_bytes).await?;
    verify(path, &mut connection, "PRAGMA integrity_check(1)").await?;
    if usize::try_from(found) != Ok(VERSIONS.len()) {
        return Err(damaged(format!("its version is {found}, and this release needs {}", VERSIONS.len())));
    }
    connection.close().await.map_err(|error| damaged(error.to_string()))
}

/// Opens a file and reads its version.
async fn connect_with_version(path: &Path, max_bytes: u64) -> Result<(SqliteConnection, i64), OpenError> {
    let mut connection = connect(path, max_bytes, false).await?;
    let found = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await;
    match found {
        Ok(found) => Ok((connection, found)),
        Err(error) => Err(OpenError::Damaged { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// Runs an integrity check, and fails when it finds damage.
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

/// Applies the versions that the file does not have yet. Each is one transaction together with its number, so that a crash
/// leaves a complete older version.
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
    let cannot_write =
        |error: sqlx::Error| OpenError::Folder { path: path.to_owned(), reason: error.to_string() };
    for (version, migration) in (1_i64..).zip(versions) {
        if version > found {
            let script = format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {version}; COMMIT;");
            sqlx::raw_sql(sqlx::AssertSqlSafe(script))
                .execute(&mut *connection)
                .await
                .map_err(cannot_write)?;
        }
    }
    // This write changes nothing. It makes the start fail when the store is not writable, instead of the first
    // notification.
    sqlx::raw_sql("BEGIN IMMEDIATE; UPDATE event SET state = state WHERE id = -1; COMMIT;")
        .execute(connection)
        .await
        .map_err(cannot_write)?;
    Ok(())
}

/// Creates a store of an older version and runs `script` in it.
#[cfg(test)]
pub(super) async fn create_older(path: &Path, version: usize, script: &str) {
    let mut connection = connect(path, 1 << 30, true).await.unwrap();
    migrate(path, &mut connection, 0, &VERSIONS[..version]).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Opens the file with the settings that durability depends on, and checks that SQLite applies them: it ignores a `PRAGMA`
/// that it cannot apply, without an error.
///
/// `synchronous = FULL` makes each commit wait for the disk. With `NORMAL`, a power failure can roll back the last
/// commits of a write-ahead log, and their notifications were acknowledged:
/// <https://sqlite.org/pragma.html#pragma_synchronous>
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
        .busy_timeout(BUSY_TIMEOUT)
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
    // The file may become 10 % larger than `max_bytes`: from `max_bytes` on new events are refused, but results must still
    // be recorded.
    let pages = max_bytes / u64::try_from(page).unwrap_or(4096).max(512) / 10 * 11 + RESERVED_PAGES;
    // SQLite truncates a long write-ahead log to this length when it restarts the log.
    let limits = format!("PRAGMA max_page_count = {pages}; PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(limits)).execute(&mut connection).await.map_err(damaged)?;
    Ok(connection)
}

/// Opens the file for the writer, as [`connect`] does, with `temp_store = MEMORY`: SQLite would write the journal of a statement that
/// changes more than sixteen pages to a folder for temporary files, or to the working folder, and where neither is writable the batch
/// fails. The largest statement deletes 16,384 keys of a full store, which takes about 64 MiB. What the writer sorts is the rows of one
/// batch, or one for each tenant; other connections may sort more than fits into memory.
/// <https://sqlite.org/tempfiles.html#statement_journal_files>
pub(super) async fn connect_writer(path: &Path, max_bytes: u64) -> Result<SqliteConnection, OpenError> {
    let mut connection = connect(path, max_bytes, false).await?;
    let done = sqlx::raw_sql("PRAGMA temp_store = MEMORY").execute(&mut connection).await;
    done.map_err(|error| OpenError::Damaged { path: path.to_owned(), reason: error.to_string() })?;
    Ok(connection)
}

/// What `PRAGMA synchronous` returns for `FULL`.
const SYNCHRONOUS_FULL: i64 = 2;
/// Length of the write-ahead log after a restart of the log, in bytes.
const JOURNAL_SIZE_LIMIT: u64 = 16 * 1024 * 1024;
/// Pages that are reserved for results besides the 10 %, which are few when `max_bytes` is small.
const RESERVED_PAGES: u64 = 256;
/// How long a statement waits for the lock of another process, such as the old one during a hot upgrade.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);
