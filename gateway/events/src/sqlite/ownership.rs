//! Changes the owners of stored events, and replaces their sealed bodies.

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite as Engine};

use crate::{CustomerAssignment, Millis, Owner, PAGE, ParkReason, Reseal};

/// Assigns events of older releases to customers. An event without a customer gets an empty subscription, so that it is not
/// selected again; if it waits, it is parked.
pub(super) async fn assign_customers(
    connection: &mut SqliteConnection,
    events: &[CustomerAssignment],
) -> Result<bool, sqlx::Error> {
    for CustomerAssignment { id, customer } in events {
        sqlx::query(ASSIGN_CUSTOMER)
            .bind(customer.as_ref().map(|customer| &customer.subscription))
            .bind(customer.as_ref().and_then(|customer| customer.webhook.as_ref()))
            .bind(ParkReason::UnknownCustomer.name())
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
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
    connection: &mut SqliteConnection,
    owner: &Owner,
    now: Millis,
) -> Result<bool, sqlx::Error> {
    let query = "UPDATE event SET state = 0, done_ms = NULL, dead_reason = NULL, since_ms = ?1, due_ms = ?1 \
                 WHERE id IN (SELECT id FROM event WHERE state = 3 AND dead_reason = ?2 AND tenant = ?3 \
                 AND subscription IS ?4 AND webhook IS ?5 LIMIT ?6)";
    let customer = owner.customer.as_ref();
    let done = sqlx::query(query)
        .bind(now)
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
pub(super) async fn reseal(
    connection: &mut SqliteConnection,
    events: &[Reseal],
) -> Result<bool, sqlx::Error> {
    let mut any = false;
    for event in events {
        any |= reseal_one(connection, event).await?;
    }
    Ok(any)
}

async fn reseal_one(connection: &mut SqliteConnection, event: &Reseal) -> Result<bool, sqlx::Error> {
    let customer = event.owner.customer.as_ref();
    let done = sqlx::query(RESEAL)
        .bind(event.body.key_id)
        .bind(event.body.bytes.as_slice())
        .bind(customer.map(|customer| &customer.subscription))
        .bind(customer.and_then(|customer| customer.webhook.as_ref()))
        .bind(event.owner.binding.code())
        .bind(event.id)
        .bind(event.before.as_slice())
        .execute(&mut *connection)
        .await?;
    // Another command has changed the body meanwhile, for instance a second run of the same operation.
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    for (before, answer) in &event.answers {
        sqlx::query(RESEAL_ANSWER)
            .bind(answer.key_id)
            .bind(answer.bytes.as_slice())
            .bind(event.id)
            .bind(before.as_slice())
            .execute(&mut *connection)
            .await?;
    }
    // A reassigned event becomes due at once for its new customer; its history keeps the reason.
    if let Some(reason) = &event.reassigned {
        let query = "UPDATE event SET state = 0, attempts = 0, refusals = 0, held = 0, done_ms = NULL, \
                     dead_reason = NULL, since_ms = ?1, due_ms = ?1 WHERE id = ?2";
        sqlx::query(query).bind(event.now).bind(event.id).execute(&mut *connection).await?;
        let query = "INSERT INTO attempt(event, at_ms, took_ms, error) VALUES (?1, ?2, 0, ?3)";
        sqlx::query(query).bind(event.id).bind(event.now).bind(reason).execute(&mut *connection).await?;
    }
    Ok(true)
}

pub(super) const ASSIGN_CUSTOMER: &str = "UPDATE event SET subscription = coalesce(?1, ''), webhook = ?2, \
     state = CASE WHEN ?1 IS NULL AND state = 0 THEN 3 ELSE state END, \
     dead_reason = CASE WHEN ?1 IS NULL AND state = 0 THEN ?3 ELSE dead_reason END \
     WHERE id = ?4 AND subscription IS NULL";
/// The condition on the old body makes a replaced event a no-op when the command is repeated.
pub(super) const RESEAL: &str = "UPDATE event SET key_id = ?1, body = ?2, subscription = ?3, webhook = ?4, seal = ?5 \
     WHERE id = ?6 AND body = ?7";
pub(super) const RESEAL_ANSWER: &str =
    "UPDATE attempt SET answer_key = ?1, answer = ?2 WHERE event = ?3 AND answer = ?4";
