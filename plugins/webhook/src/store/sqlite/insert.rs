//! New events.

use std::collections::HashSet;

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Row, Sqlite as Engine};
use uuid::Uuid;

use crate::store::{Change, NewEvent, State};

/// Inserts all events of a batch, and says which of them are new.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    batch: &[Change],
    refused: &HashSet<Uuid>,
) -> Result<HashSet<Vec<u8>>, sqlx::Error> {
    let events: Vec<&NewEvent> = batch
        .iter()
        .filter_map(|change| match change {
            Change::Insert(event) if !refused.contains(&event.uid) => Some(event),
            _ => None,
        })
        .collect();
    let mut new = HashSet::with_capacity(events.len());
    for events in events.chunks(ROWS) {
        let mut query = QueryBuilder::<Engine>::new(
            "INSERT INTO event(uid, tenant, dedup, kind, resource, key_id, body, state, due_ms, received_ms, since_ms, \
             done_ms, dead_reason, trace) ",
        );
        query.push_values(events, |mut row, event| {
            row.push_bind(event.uid.as_bytes().to_vec())
                .push_bind(&event.tenant)
                .push_bind(&event.dedup)
                .push_bind(&event.kind)
                .push_bind(&event.resource)
                .push_bind(event.body.key_id)
                .push_bind(&event.body.bytes)
                .push_bind(if event.dead.is_some() { State::Dead.code() } else { State::Waiting.code() })
                .push_bind(event.received)
                .push_bind(event.received)
                .push_bind(event.received)
                .push_bind(event.dead.map(|_| event.received))
                .push_bind(event.dead.map(|reason| reason.name()))
                .push_bind(&event.trace);
        });
        query.push(" ON CONFLICT DO NOTHING RETURNING uid");
        for row in query.build().fetch_all(&mut *connection).await? {
            new.insert(row.try_get(0)?);
        }
    }
    Ok(new)
}

/// Rows of one statement: 14 values each, and SQLite takes 32,766 in one statement.
const ROWS: usize = 512;
