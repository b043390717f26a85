//! Inserts new events.

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite as Engine};
use uuid::Uuid;

use crate::{Command, Effect, Millis, NewEvent, REVIVABLE, State};

/// Inserts the events of a batch whose deduplication keys are unknown, and makes dead events waiting again whose
/// notifications are repeated. Returns the effect for each uid; a uid that is missing was a duplicate.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    batch: &[Command],
    refused: &HashSet<Uuid>,
) -> Result<HashMap<Uuid, Effect>, sqlx::Error> {
    let events: Vec<&NewEvent> = batch
        .iter()
        .filter_map(|command| match command {
            Command::Insert(event) if !refused.contains(&event.uid) => Some(event),
            _ => None,
        })
        .collect();
    let known = find_known(connection, &events).await?;
    let mut effects = HashMap::with_capacity(events.len());
    let mut new = Vec::with_capacity(events.len());
    let mut dead = Vec::new();
    for event in events {
        let found: Vec<_> = event.dedup.all().filter_map(|key| Some((key, known.get(key)?))).collect();
        match found.iter().find(|(_, known)| **known == Known::Dead) {
            Some((key, _)) => {
                dead.push((*key, event.received));
                effects.insert(event.uid, Effect::Revived);
            }
            None if found.is_empty() => new.push(event),
            None => {}
        }
    }
    for (key, at) in dead {
        revive(connection, key, at).await?;
    }
    for events in new.chunks(MAX_ROWS_PER_INSERT) {
        let mut query = QueryBuilder::<Engine>::new(
            "INSERT INTO event(uid, tenant, dedup, kind, resource, key_id, body, state, due_ms, received_ms, since_ms, \
             done_ms, dead_reason, trace, subscription, webhook, seal, source) ",
        );
        query.push_values(events, |mut row, event| {
            row.push_bind(event.uid.as_bytes().to_vec())
                .push_bind(&event.owner.tenant)
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
                .push_bind(&event.trace)
                .push_bind(event.owner.customer.as_ref().map(|customer| &customer.subscription))
                .push_bind(event.owner.customer.as_ref().and_then(|customer| customer.webhook.as_ref()))
                .push_bind(event.owner.binding.code())
                .push_bind(event.source.code());
        });
        // Two events of one batch may have the same key; the second one is a duplicate.
        query.push(" ON CONFLICT DO NOTHING RETURNING uid");
        for row in query.build().fetch_all(&mut *connection).await? {
            let uid: Vec<u8> = row.try_get(0)?;
            let uid = Uuid::try_from(uid).map_err(|error| sqlx::Error::Decode(error.into()))?;
            effects.insert(uid, Effect::Done);
        }
    }
    Ok(effects)
}

/// What the store has for a known deduplication key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// A dead event that can be revived.
    Dead,
    /// Another event, or only the key of a deleted one.
    Duplicate,
}

/// Returns those deduplication keys of the events that the store knows.
async fn find_known(
    connection: &mut SqliteConnection,
    events: &[&NewEvent],
) -> Result<HashMap<Vec<u8>, Known>, sqlx::Error> {
    let keys: Vec<String> = events.iter().flat_map(|event| event.dedup.all()).map(hex::encode).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    // `MATERIALIZED` makes SQLite read the given keys first, so that it searches the index once per key.
    let query = format!(
        "WITH given(dedup) AS MATERIALIZED (SELECT unhex(value) FROM json_each(?1)), \
         known AS (SELECT dedup, (SELECT {REVIVABLE} FROM event WHERE event.dedup = given.dedup) AS dead, \
           EXISTS (SELECT 1 FROM seen WHERE seen.dedup = given.dedup) AS seen FROM given) \
         SELECT dedup, coalesce(dead, 0) FROM known WHERE dead IS NOT NULL OR seen"
    );
    let keys = serde_json::json!(keys).to_string();
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(keys).fetch_all(connection).await?;
    let known = |row: &SqliteRow| {
        let is_dead: bool = row.try_get(1)?;
        Ok((row.try_get(0)?, if is_dead { Known::Dead } else { Known::Duplicate }))
    };
    rows.iter().map(known).collect()
}

/// Makes a dead event waiting again, as if it had just been received.
async fn revive(connection: &mut SqliteConnection, key: &[u8], at: Millis) -> Result<(), sqlx::Error> {
    let query = "UPDATE event SET state = 0, attempts = 0, refusals = 0, held = 0, done_ms = NULL, dead_reason = NULL, \
                 since_ms = ?1, due_ms = ?1 WHERE dedup = ?2";
    sqlx::query(query).bind(at).bind(key).execute(connection).await.map(drop)
}

/// Rows of one `INSERT`. Each has 18 bound values, and SQLite allows 32,766 per statement: <https://sqlite.org/limits.html>
const MAX_ROWS_PER_INSERT: usize = 512;
