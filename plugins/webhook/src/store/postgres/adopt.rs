//! Takes in what another store has, as it stands there.

use std::collections::HashSet;

use sqlx::{Postgres as Engine, QueryBuilder, Row};
use uuid::Uuid;

use super::{Postgres, engine, open};
use crate::store::{Millis, Record, StoreError, now};

impl Postgres {
    /// Stores events with their states and tries; those that are there already stay as they are. Says how many
    /// were not.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the same events can be given again.
    pub(crate) async fn adopt(&self, records: &[Record]) -> Result<usize, StoreError> {
        if records.is_empty() {
            return Ok(0);
        }
        let mut connection = open::connect(&self.url).await.map_err(|error| engine(&error))?;
        let mut query = statement(records);
        let rows = query.build().fetch_all(&mut connection).await.map_err(|error| engine(&error))?;
        let new: Result<HashSet<Uuid>, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(new.map_err(|error| engine(&error))?.len())
    }
}

/// One statement, so that an event never comes without its tries.
fn statement(records: &[Record]) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new(
        "WITH stored AS (INSERT INTO event(uid, tenant, dedup, kind, resource, key_id, body, state, dead_reason, \
         attempts, trace, due, received, since, done) ",
    );
    query.push_values(records, |mut row, record| {
        let event = &record.listed;
        row.push_bind(event.uid)
            .push_bind(event.tenant.clone())
            .push_bind(record.dedup.clone())
            .push_bind(event.kind.clone())
            .push_bind(event.resource.clone())
            .push_bind(record.body.key_id)
            .push_bind(record.body.bytes.clone())
            .push_bind(event.state.code())
            .push_bind(event.reason.clone())
            .push_bind(i32::try_from(event.attempts).unwrap_or(i32::MAX))
            .push_bind(event.trace.clone());
        for time in [Some(event.due), Some(event.received), Some(record.since), event.done] {
            push_instant(&mut row, time);
        }
    });
    query.push(" ON CONFLICT DO NOTHING RETURNING id, uid)");
    let tries: Vec<_> = records
        .iter()
        .flat_map(|record| record.tries.iter().map(|attempt| (record.listed.uid, attempt)))
        .collect();
    if !tries.is_empty() {
        query.push(", given(uid, took, status, error, answer_key, answer, at) AS (");
        query.push_values(tries, |mut row, (uid, attempt)| {
            let answer = attempt.answer.as_ref();
            row.push_bind(uid)
                .push_bind(attempt.took_ms)
                .push_bind(attempt.status.map(i32::from))
                .push_bind(attempt.error.clone())
                .push_bind(answer.map(|answer| answer.key_id))
                .push_bind(answer.map(|answer| answer.bytes.clone()));
            push_instant(&mut row, Some(attempt.at));
        });
        query.push(
            "), noted AS (INSERT INTO attempt(event, took_ms, status, error, answer_key, answer, at) \
             SELECT stored.id, took, status, error, answer_key, answer, at FROM given JOIN stored USING (uid))",
        );
    }
    query.push(" SELECT uid FROM stored");
    query
}

fn push_instant(row: &mut sqlx::query_builder::Separated<'_, Engine, &'static str>, time: Option<Millis>) {
    match time {
        Some(time) => {
            // By the database's clock, which alone counts there.
            let ahead = time.saturating_sub(now());
            row.push("now() + ").push_bind_unseparated(ahead).push_unseparated(" * interval '1 millisecond'");
        }
        None => {
            row.push("NULL::timestamptz");
        }
    }
}
