//! Inserts new events.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder, Row};
use uuid::Uuid;

use super::listen::CHANNEL;
use crate::{Command, Effect, NewEvent, REVIVABLE, State};

/// Inserts the events of a batch whose deduplication keys are unknown, and makes dead events waiting again whose
/// notifications are repeated. Returns the effect for each uid; a uid that is missing was a duplicate.
pub(super) async fn insert(
    connection: &mut PgConnection,
    batch: &[Command],
    refused: &HashSet<Uuid>,
) -> Result<HashMap<Uuid, Effect>, sqlx::Error> {
    let mut effects = HashMap::new();
    let events = in_order(batch, refused);
    if events.is_empty() {
        return Ok(effects);
    }
    let mut query = QueryBuilder::<Engine>::new(
        "WITH given(uid, tenant, dedup, keys, kind, resource, key_id, body, state, dead_reason, trace, \
         subscription, webhook, seal, source) AS (",
    );
    query.push_values(events, |mut row, event| {
        let state = if event.dead.is_some() { State::Dead } else { State::Waiting };
        row.push_bind(event.uid)
            .push_bind(&event.owner.tenant)
            .push_bind(&event.dedup.current)
            .push_bind(event.dedup.all().cloned().collect::<Vec<_>>())
            .push_bind(&event.kind)
            .push_bind(&event.resource)
            .push_bind(event.body.key_id)
            .push_bind(&event.body.bytes)
            .push_bind(state.code())
            .push_bind(event.dead.map(|reason| reason.name()))
            .push_bind(&event.trace)
            .push_bind(event.owner.customer.as_ref().map(|customer| &customer.subscription))
            .push_bind(event.owner.customer.as_ref().and_then(|customer| customer.webhook.as_ref()))
            .push_bind(event.owner.binding.code())
            .push_bind(event.source.code());
    });
    // A revived event gets a new epoch, so that a late result of an earlier claim cannot end it.
    query.push(
        "), stored AS (INSERT INTO event(uid, tenant, dedup, kind, resource, key_id, body, state, due, received, since, \
           done, dead_reason, trace, subscription, webhook, seal, source) \
         SELECT uid, tenant, dedup, kind, resource, key_id, body, state, now(), now(), now(), \
           CASE WHEN state = 0 THEN NULL ELSE now() END, dead_reason, trace, subscription, webhook, seal, \
           source FROM given \
         WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.dedup = ANY(given.keys)) \
           AND NOT EXISTS (SELECT 1 FROM event WHERE event.dedup = ANY(given.keys)) \
         ON CONFLICT DO NOTHING RETURNING uid), \
         revived AS (UPDATE event SET state = 0, attempts = 0, refusals = 0, held = 0, epoch = epoch + 1, \
           leased_until = NULL, done = NULL, dead_reason = NULL, since = now(), due = now() \
         FROM (SELECT uid, unnest(keys) AS key FROM given) repeated WHERE event.dedup = repeated.key AND event.",
    );
    query.push(REVIVABLE.replace("dead_reason", "event.dead_reason")).push(
        " RETURNING repeated.uid), \
         changed(uid, is_new) AS (SELECT uid, true FROM stored UNION ALL SELECT uid, false FROM revived), \
         notified AS (SELECT pg_notify('",
    );
    // Wakes the dispatchers of other gateways; PostgreSQL sends the notification at commit.
    query.push(CHANNEL).push("', '') FROM (SELECT 1 FROM changed LIMIT 1) any_changed) ");
    query.push("SELECT uid, is_new FROM changed LEFT JOIN notified ON true");
    for row in query.build().fetch_all(connection).await? {
        let is_new: bool = row.try_get(1)?;
        effects.insert(row.try_get(0)?, if is_new { Effect::Done } else { Effect::Revived });
    }
    Ok(effects)
}

/// Returns the events to insert. All gateways insert in this order, so that two of them with the same events cannot deadlock.
fn in_order<'a>(batch: &'a [Command], refused: &HashSet<Uuid>) -> Vec<&'a NewEvent> {
    let mut events: Vec<&NewEvent> = batch
        .iter()
        .filter_map(|command| match command {
            Command::Insert(event) if !refused.contains(&event.uid) => Some(event),
            _ => None,
        })
        .collect();
    events.sort_by(|a, b| a.dedup.current.cmp(&b.dedup.current));
    events
}
