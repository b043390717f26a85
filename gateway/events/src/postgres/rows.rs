//! Converts rows of the tables.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::filter::unix_millis;
use crate::{Attempt, Binding, Customer, Failure, ListedEvent, Owner, Sealed, State};

/// Returns the columns that [`read_listed`] reads.
pub(super) fn listed_columns() -> String {
    let [received, due, done] = ["received", "due", "done"].map(unix_millis);
    format!("uid, tenant, kind, resource, state, dead_reason, attempts, {received}, {due}, {done}, trace")
}

pub(super) fn read_listed(row: &PgRow) -> Result<ListedEvent, sqlx::Error> {
    let attempts: i32 = row.try_get(6)?;
    Ok(ListedEvent {
        uid: row.try_get(0)?,
        tenant: row.try_get(1)?,
        kind: row.try_get(2)?,
        resource: row.try_get(3)?,
        state: State::of(row.try_get(4)?),
        reason: row.try_get(5)?,
        attempts: u32::try_from(attempts).unwrap_or_default(),
        received: row.try_get(7)?,
        due: row.try_get(8)?,
        done: row.try_get(9)?,
        trace: row.try_get(10)?,
    })
}

/// Reads an owner: its name from the column `name`, its customer and binding from the column `rest` on.
pub(super) fn read_owner(row: &PgRow, name: usize, rest: usize) -> Result<Owner, sqlx::Error> {
    let subscription: Option<String> = row.try_get(rest)?;
    let webhook = row.try_get(rest + 1)?;
    Ok(Owner {
        tenant: row.try_get(name)?,
        customer: subscription.map(|subscription| Customer { subscription, webhook }),
        binding: Binding::from_code(row.try_get(rest + 2)?),
    })
}

fn read_failure(row: &PgRow, column: usize) -> Result<Option<Failure>, sqlx::Error> {
    let name: Option<String> = row.try_get(column)?;
    Ok(name.as_deref().and_then(Failure::named))
}

pub(super) fn read_attempt(row: &PgRow) -> Result<Attempt, sqlx::Error> {
    let status: Option<i32> = row.try_get(2)?;
    let (key, bytes): (Option<i64>, Option<Vec<u8>>) = (row.try_get(4)?, row.try_get(5)?);
    Ok(Attempt {
        at: row.try_get(0)?,
        took_ms: row.try_get(1)?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        error: row.try_get(3)?,
        failure: read_failure(row, 6)?,
        answer: key.zip(bytes).map(|(key_id, bytes)| Sealed { key_id, bytes }),
    })
}
