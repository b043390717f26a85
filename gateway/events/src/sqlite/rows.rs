//! Converts rows of the tables.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::{
    Attempt, Binding, Claim, Customer, DueEvent, Failure, ListedEvent, Owner, Sealed, Source, State,
};

pub(super) fn read_listed(row: &SqliteRow) -> Result<ListedEvent, sqlx::Error> {
    Ok(ListedEvent {
        uid: read_uid(row.try_get(0)?)?,
        tenant: row.try_get(1)?,
        kind: row.try_get(2)?,
        resource: row.try_get(3)?,
        state: State::of(row.try_get(4)?),
        reason: row.try_get(5)?,
        attempts: row.try_get(6)?,
        received: row.try_get(7)?,
        due: row.try_get(8)?,
        done: row.try_get(9)?,
        trace: row.try_get(10)?,
    })
}

/// Reads an owner: its name from the column `name`, its customer and binding from the column `rest` on.
pub(super) fn read_owner(row: &SqliteRow, name: usize, rest: usize) -> Result<Owner, sqlx::Error> {
    let subscription: Option<String> = row.try_get(rest)?;
    let webhook = row.try_get(rest + 1)?;
    Ok(Owner {
        tenant: row.try_get(name)?,
        customer: subscription.map(|subscription| Customer { subscription, webhook }),
        binding: Binding::from_code(row.try_get(rest + 2)?),
    })
}

fn read_failure(row: &SqliteRow, column: usize) -> Result<Option<Failure>, sqlx::Error> {
    let name: Option<String> = row.try_get(column)?;
    Ok(name.as_deref().and_then(Failure::named))
}

pub(super) fn read_attempt(row: &SqliteRow) -> Result<Attempt, sqlx::Error> {
    let (key, bytes): (Option<i64>, Option<Vec<u8>>) = (row.try_get(4)?, row.try_get(5)?);
    Ok(Attempt {
        at: row.try_get(0)?,
        took_ms: row.try_get(1)?,
        status: row.try_get(2)?,
        error: row.try_get(3)?,
        failure: read_failure(row, 6)?,
        answer: key.zip(bytes).map(|(key_id, bytes)| Sealed { key_id, bytes }),
    })
}

fn read_uid(bytes: Vec<u8>) -> Result<Uuid, sqlx::Error> {
    Uuid::try_from(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) fn read_due(row: &SqliteRow) -> Result<DueEvent, sqlx::Error> {
    Ok(DueEvent {
        // Only this process delivers, so its claims need no fencing token.
        claim: Claim { id: row.try_get(0)?, epoch: 0 },
        uid: read_uid(row.try_get(1)?)?,
        owner: read_owner(row, 2, 8)?,
        body: Sealed { key_id: row.try_get(3)?, bytes: row.try_get(4)? },
        attempts: row.try_get(5)?,
        received: row.try_get(6)?,
        trace: row.try_get(7)?,
        refusals: row.try_get(11)?,
        source: Source::of(row.try_get(12)?),
        started: row.try_get(13)?,
    })
}

/// The columns that [`read_listed`] reads.
pub(super) const LISTED: &str =
    "uid, tenant, kind, resource, state, dead_reason, attempts, received_ms, due_ms, done_ms, trace";
/// The columns that [`read_due`] reads.
pub(super) const DUE: &str = "event.id, event.uid, event.tenant, event.key_id, event.body, event.attempts, event.since_ms, event.trace, \
     event.subscription, event.webhook, event.seal, event.refusals, event.source, \
     (SELECT started_ms FROM started_result JOIN started ON started.id = started_result.entry \
       WHERE started_result.subject = event.resource AND started_result.event = event.uid LIMIT 1)";
/// The columns that [`read_attempt`] reads.
pub(super) const ATTEMPT: &str = "at_ms, took_ms, status, error, answer_key, answer, class";
