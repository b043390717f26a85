//! New events.

use std::collections::HashSet;

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder, Row};
use uuid::Uuid;

use super::listen::CHANNEL;
use crate::store::{Change, NewEvent, State};

/// Inserts all events of a batch, and says which of them are new.
pub(super) async fn insert(
    connection: &mut PgConnection,
    batch: &[Change],
    refused: &HashSet<Uuid>,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let mut new = HashSet::new();
    let mut events: Vec<&NewEvent> = batch
        .iter()
        .filter_map(|change| match change {
            Change::Insert(event) if !refused.contains(&event.uid) => Some(event),
            _ => None,
        })
        .collect();
    if events.is_empty() {
        return Ok(new);
    }
    // In one order everywhere, so that two gateways with the same events wait for each other only one way.
    events.sort_by(|a, b| a.dedup.current.cmp(&b.dedup.current));
    let mut query = QueryBuilder::<Engine>::new(
        "WITH given(uid, tenant, dedup, keys, kind, resource, key_id, body, state, dead_reason, trace) AS (",
    );
    query.push_values(events, |mut row, event| {
        let state = if event.dead.is_some() { State::Dead } else { State::Waiting };
        row.push_bind(event.uid)
            .push_bind(&event.tenant)
            .push_bind(&event.dedup.current)
            .push_bind(event.dedup.all().cloned().collect::<Vec<_>>())
            .push_bind(&event.kind)
            .push_bind(&event.resource)
            .push_bind(event.body.key_id)
            .push_bind(&event.body.bytes)
            .push_bind(state.code())
            .push_bind(event.dead.map(|reason| reason.name()))
            .push_bind(&event.trace);
    });
    query.push(
        "), stored AS (INSERT INTO event(uid, tenant, dedup, kind, resource, key_id, body, state, due, received, since, \
           done, dead_reason, trace) \
         SELECT uid, tenant, dedup, kind, resource, key_id, body, state, now(), now(), now(), \
           CASE WHEN state = 0 THEN NULL ELSE now() END, dead_reason, trace FROM given \
         WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.dedup = ANY(given.keys)) \
           AND NOT EXISTS (SELECT 1 FROM event WHERE event.dedup = ANY(given.keys)) \
         ON CONFLICT DO NOTHING RETURNING uid), told AS (SELECT pg_notify('",
    );
    query.push(CHANNEL).push("', '') FROM (SELECT 1 FROM stored LIMIT 1) any_new) ");
    query.push("SELECT uid FROM stored LEFT JOIN told ON true");
    for row in query.build().fetch_all(connection).await? {
        new.insert(row.try_get(0)?);
    }
    Ok(new)
}
