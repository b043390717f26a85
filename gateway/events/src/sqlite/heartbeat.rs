//! The last heartbeat of the gateway, in one row. The next start computes from it how long the gateway was down.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::Heartbeat;

/// Replaces the last heartbeat.
pub(super) async fn record_heartbeat(
    connection: &mut SqliteConnection,
    heartbeat: Heartbeat,
) -> Result<(), sqlx::Error> {
    let query = "INSERT INTO alive VALUES (0, ?1, ?2) \
                 ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, unsettled_ms = excluded.unsettled_ms";
    sqlx::query(query).bind(heartbeat.at).bind(heartbeat.unsettled).execute(connection).await.map(drop)
}

/// Reads the last heartbeat; `None` before the first one.
pub(super) async fn read_heartbeat(
    connection: &mut SqliteConnection,
) -> Result<Option<Heartbeat>, sqlx::Error> {
    let row = sqlx::query("SELECT at_ms, unsettled_ms FROM alive").fetch_optional(connection).await?;
    row.map(|row| Ok(Heartbeat { at: row.try_get(0)?, unsettled: row.try_get(1)? })).transpose()
}
