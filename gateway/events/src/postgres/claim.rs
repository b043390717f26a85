//! Claims due events for this gateway.

use sqlx::postgres::PgRow;
use sqlx::{Postgres as Engine, QueryBuilder, Row};

use super::filter::millis_from_now;
use super::read::PostgresReader;
use super::rows::read_owner;
use crate::{Claim, DueEvent, Sealed, Source, StoreError, now};

// === impl PostgresReader ===

impl PostgresReader {
    /// Claims the events that `claimable` in the query selects.
    pub(super) async fn claim(
        &mut self,
        mut query: QueryBuilder<Engine>,
    ) -> Result<Vec<DueEvent>, StoreError> {
        let lease = i64::try_from(self.store.lease.as_millis()).unwrap_or(i64::MAX);
        // The epoch grows with the clock: after a crash that lost a claim, `epoch + 1` alone would repeat its epoch, and
        // a late result would end another gateway's claim.
        query.push(
            " UPDATE event SET epoch = greatest(epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint), \
             leased_until = now() + ",
        );
        query
            .push_bind(lease)
            .push(" * interval '1 millisecond' FROM claimable WHERE event.id = claimable.id RETURNING ");
        query
            .push("event.id, uid, tenant, key_id, body, attempts, trace, epoch, ")
            .push(millis_from_now("since"));
        query
            .push(", subscription, webhook, seal, refusals, source, (SELECT ")
            .push(millis_from_now("started"));
        query.push(
            " FROM started_result JOIN started ON started.id = started_result.entry \
             WHERE started_result.subject = event.resource AND started_result.event = event.uid LIMIT 1)",
        );
        let clock = now();
        let read = |row: &PgRow| {
            let attempts: i32 = row.try_get(5)?;
            let (age, refusals): (i64, i32) = (row.try_get(8)?, row.try_get(12)?);
            let started: Option<i64> = row.try_get(14)?;
            Ok(DueEvent {
                refusals: u32::try_from(refusals).unwrap_or_default(),
                claim: Claim { id: row.try_get(0)?, epoch: row.try_get(7)? },
                uid: row.try_get(1)?,
                owner: read_owner(row, 2, 9)?,
                body: Sealed { key_id: row.try_get(3)?, bytes: row.try_get(4)? },
                attempts: u32::try_from(attempts).unwrap_or_default(),
                received: clock + age,
                trace: row.try_get(6)?,
                source: Source::of(row.try_get(13)?),
                started: started.map(|ahead| clock + ahead),
            })
        };
        self.fetch(query, true, read).await
    }
}
