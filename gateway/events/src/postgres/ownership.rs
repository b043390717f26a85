//! Changes the owners of stored events, and replaces their sealed bodies.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder};

use crate::{CustomerAssignment, Owner, PAGE, ParkReason, Reseal};

/// Assigns events of older releases to customers. An event without a customer gets an empty subscription, so that it is not
/// selected again; if it waits, it is parked.
pub(super) async fn assign_customers(
    connection: &mut PgConnection,
    events: &[CustomerAssignment],
) -> Result<bool, sqlx::Error> {
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    let (subscriptions, webhooks): (Vec<Option<String>>, Vec<Option<String>>) = events
        .iter()
        .map(|event| match event.customer.clone() {
            Some(customer) => (Some(customer.subscription), customer.webhook),
            None => (None, None),
        })
        .unzip();
    let query = "UPDATE event SET subscription = coalesce(given.subscription, ''), webhook = given.webhook, \
                 state = CASE WHEN given.subscription IS NULL AND state = 0 THEN 3 ELSE state END, \
                 dead_reason = CASE WHEN given.subscription IS NULL AND state = 0 THEN $4 ELSE dead_reason END \
                 FROM unnest($1::bigint[], $2::text[], $3::text[]) given(id, subscription, webhook) \
                 WHERE event.id = given.id AND event.subscription IS NULL";
    sqlx::query(query)
        .bind(ids)
        .bind(subscriptions)
        .bind(webhooks)
        .bind(ParkReason::UnknownCustomer.name())
        .execute(connection)
        .await?;
    Ok(!events.is_empty())
}

/// Selects the owners of events that are parked because their customers were not in the tenant document.
pub(super) fn parked_owners() -> QueryBuilder<Engine> {
    QueryBuilder::new(
        "SELECT DISTINCT tenant, subscription, webhook, seal FROM event \
         WHERE state = 3 AND dead_reason = 'unknown_customer'",
    )
}

/// Makes a page of a customer's parked events waiting again. Returns whether there were any.
pub(super) async fn unpark_customer(
    connection: &mut PgConnection,
    owner: &Owner,
) -> Result<bool, sqlx::Error> {
    let query = "UPDATE event SET state = 0, epoch = epoch + 1, leased_until = NULL, done = NULL, dead_reason = NULL, \
                 since = now(), due = now() WHERE id IN (SELECT id FROM event WHERE state = 3 AND dead_reason = $1 \
                 AND tenant = $2 AND subscription IS NOT DISTINCT FROM $3 AND webhook IS NOT DISTINCT FROM $4 \
                 LIMIT $5 FOR UPDATE SKIP LOCKED)";
    let customer = owner.customer.as_ref();
    let done = sqlx::query(query)
        .bind(ParkReason::UnknownCustomer.name())
        .bind(&owner.tenant)
        .bind(customer.map(|customer| &customer.subscription))
        .bind(customer.and_then(|customer| customer.webhook.as_ref()))
        .bind(PAGE)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Replaces the sealed bodies of events. Returns whether any was replaced: an event that has changed since it was read is
/// left unchanged.
pub(super) async fn reseal(connection: &mut PgConnection, events: &[Reseal]) -> Result<bool, sqlx::Error> {
    let mut any = false;
    for event in events {
        any |= reseal_one(connection, event).await?;
    }
    Ok(any)
}

/// Uses one statement, so that the body of an event and the answers always have the same encryption key.
async fn reseal_one(connection: &mut PgConnection, event: &Reseal) -> Result<bool, sqlx::Error> {
    let customer = event.owner.customer.as_ref();
    let before: Vec<&[u8]> = event.answers.iter().map(|(before, _)| before.as_slice()).collect();
    let keys: Vec<i64> = event.answers.iter().map(|(_, answer)| answer.key_id).collect();
    let answers: Vec<&[u8]> = event.answers.iter().map(|(_, answer)| answer.bytes.as_slice()).collect();
    let restart = "state = 0, attempts = 0, refusals = 0, held = 0, epoch = epoch + 1, leased_until = NULL, done = NULL, \
                 dead_reason = NULL, since = now(), due = now(), ";
    let restart = if event.reassigned.is_some() { restart } else { "" };
    let query = format!(
        "WITH changed AS (UPDATE event SET {restart} key_id = $1, body = $2, subscription = $3, webhook = $4, seal = $5 \
           WHERE id = $6 AND body = $7 RETURNING id), \
         answered AS (UPDATE attempt SET answer_key = given.key, answer = given.after FROM changed, \
           unnest($8::bytea[], $9::bigint[], $10::bytea[]) given(before, key, after) \
           WHERE attempt.event = changed.id AND attempt.answer = given.before), \
         history AS (INSERT INTO attempt(event, at, took_ms, error) SELECT id, now(), 0, $11 FROM changed \
           WHERE $11 IS NOT NULL) \
         SELECT id FROM changed"
    );
    let changed = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(event.body.key_id)
        .bind(event.body.bytes.as_slice())
        .bind(customer.map(|customer| &customer.subscription))
        .bind(customer.and_then(|customer| customer.webhook.as_ref()))
        .bind(event.owner.binding.code())
        .bind(event.id)
        .bind(event.before.as_slice())
        .bind(before)
        .bind(keys)
        .bind(answers)
        .bind(event.reassigned.as_ref())
        .fetch_all(connection)
        .await?;
    Ok(!changed.is_empty())
}
