//! When the gateway was last there.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::Heartbeat;

pub(super) async fn note(connection: &mut SqliteConnection, alive: Heartbeat) -> Result<(), sqlx::Error> {
    let query = "INSERT INTO alive VALUES (0, ?1, ?2) \
                 ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, unsettled_ms = excluded.unsettled_ms";
    sqlx::query(query).bind(alive.at).bind(alive.unsettled).execute(connection).await.map(drop)
}

pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Option<Heartbeat>, sqlx::Error> {
    let row = sqlx::query("SELECT at_ms, unsettled_ms FROM alive").fetch_optional(connection).await?;
    row.map(|row| Ok(Heartbeat { at: row.try_get(0)?, unsettled: row.try_get(1)? })).transpose()
}
