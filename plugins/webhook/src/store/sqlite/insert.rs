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
    let known = known(connection, &events).await?;
    let is_new = |event: &&NewEvent| !event.dedup.all().any(|key| known.contains(key));
    let events: Vec<&NewEvent> = events.into_iter().filter(is_new).collect();
    for events in events.chunks(ROWS) {
        let mut query = QueryBuilder::<Engine>::new(
            "INSERT INTO event(uid, tenant, dedup, kind, resource, key_id, body, state, due_ms, received_ms, since_ms, \
             done_ms, dead_reason, trace) ",
        );
        query.push_values(events, |mut row, event| {
            row.push_bind(event.uid.as_bytes().to_vec())
                .push_bind(&event.tenant)
                .push_bind(&event.dedup.current)
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

/// The keys of these events that were seen before: those of events that are there, and of others that are forgotten.
async fn known(
    connection: &mut SqliteConnection,
    events: &[&NewEvent],
) -> Result<HashSet<Vec<u8>>, sqlx::Error> {
    let keys: Vec<String> = events.iter().flat_map(|event| event.dedup.all()).map(hex::encode).collect();
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    // The keys come first, so that each is one step of an index.
    let query = "WITH given(dedup) AS MATERIALIZED (SELECT unhex(value) FROM json_each(?1)) \
                 SELECT dedup FROM given WHERE EXISTS (SELECT 1 FROM event WHERE event.dedup = given.dedup) \
                 OR EXISTS (SELECT 1 FROM seen WHERE seen.dedup = given.dedup)";
    let keys = serde_json::json!(keys).to_string();
    Ok(sqlx::query_scalar(query).bind(keys).fetch_all(connection).await?.into_iter().collect())
}

/// Rows of one statement: 14 values each, and SQLite takes 32,766 in one statement.
const ROWS: usize = 512;
