//! The reading side: one connection that never writes.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite as Engine};
use uuid::Uuid;

use super::{Sqlite, engine};
use crate::store::{Backlog, DueEvent, Millis, Reader, Sealed, StoreError, Waiting};

/// Looks into the store; an error closes the connection, and the next look opens another.
#[derive(Debug)]
pub(crate) struct SqliteReader {
    store: Sqlite,
    connection: Option<SqliteConnection>,
}

// === impl SqliteReader ===

impl SqliteReader {
    pub(super) fn new(store: Sqlite) -> Self {
        Self { store, connection: None }
    }

    async fn rows(&mut self, mut query: QueryBuilder<Engine>) -> Result<Vec<SqliteRow>, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.store.connect().await?,
        };
        let rows = query.build().fetch_all(&mut connection).await.map_err(|error| engine(&error))?;
        self.connection = Some(connection);
        Ok(rows)
    }
}

#[async_trait]
impl Reader for SqliteReader {
    async fn waiting(&mut self) -> Result<Vec<Waiting>, StoreError> {
        // One step of the index for each tenant, however many events it has.
        let query = QueryBuilder::new(
            "WITH RECURSIVE name(tenant) AS (\
               SELECT min(tenant) FROM event WHERE state = 0 \
               UNION ALL \
               SELECT (SELECT min(tenant) FROM event WHERE state = 0 AND tenant > name.tenant) FROM name \
               WHERE name.tenant IS NOT NULL) \
             SELECT tenant, (SELECT min(due_ms) FROM event WHERE state = 0 AND event.tenant = name.tenant) \
             FROM name WHERE tenant IS NOT NULL",
        );
        let read = |row: SqliteRow| Ok(Waiting { tenant: row.try_get(0)?, first_due: row.try_get(1)? });
        self.rows(query)
            .await?
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| engine(&error))
    }

    async fn due(
        &mut self,
        tenant: &str,
        now: Millis,
        limit: usize,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT id, uid, tenant, key_id, body, attempts, received_ms, trace FROM event \
             WHERE state = 0 AND tenant = ",
        );
        query.push_bind(tenant.to_owned()).push(" AND due_ms <= ").push_bind(now);
        if !except.is_empty() {
            let mut list = query.push(" AND id NOT IN (").separated(", ");
            for id in except {
                list.push_bind(*id);
            }
            query.push(")");
        }
        query.push(" ORDER BY due_ms LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.rows(query).await?.iter().map(due).collect::<Result<_, _>>().map_err(|error| engine(&error))
    }

    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        let query = QueryBuilder::new(
            "SELECT tenant, count(*), min(due_ms) FROM event WHERE state = 0 GROUP BY tenant",
        );
        let read = |row: SqliteRow| {
            Ok(Backlog { tenant: row.try_get(0)?, events: row.try_get(1)?, first_due: row.try_get(2)? })
        };
        self.rows(query)
            .await?
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| engine(&error))
    }
}

fn due(row: &SqliteRow) -> Result<DueEvent, sqlx::Error> {
    let uid: Vec<u8> = row.try_get(1)?;
    Ok(DueEvent {
        id: row.try_get(0)?,
        uid: Uuid::from_slice(&uid).map_err(|error| sqlx::Error::Decode(error.into()))?,
        tenant: row.try_get(2)?,
        body: Sealed { key_id: row.try_get(3)?, bytes: row.try_get(4)? },
        attempts: row.try_get(5)?,
        received: row.try_get(6)?,
        trace: row.try_get(7)?,
    })
}
