//! Imports events, attempts and deduplication keys of another store, with their states.

use std::time::Duration;

use sqlx::{Decode, Postgres as Engine, QueryBuilder, Row, Type};
use tokio::time::timeout;
use uuid::Uuid;

use super::database::Postgres;
use super::error::store_error;
use super::open;
use crate::{DeletedEventKey, Failure, Millis, PAGE, Record, StoreError, now};

impl Postgres {
    /// Imports events with their states and attempts. Waiting events cannot be claimed before
    /// [`Postgres::release_imported`], so that an interrupted copy delivers nothing that the other store delivers, too.
    ///
    /// The import can be repeated, for instance after an interrupted copy: it updates events to their newer state, unless a
    /// gateway has claimed them here. Returns how many events were inserted or updated.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database fails or does not answer within 11 minutes; the import can be repeated.
    pub async fn import(&self, records: &[Record]) -> Result<usize, StoreError> {
        let mut imported = 0;
        for part in split(records) {
            imported += self.run::<Uuid>(import_statement(part)).await?.len();
        }
        Ok(imported)
    }

    /// Imports the deduplication keys of deleted events.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database fails or does not answer within 11 minutes; the import can be repeated.
    pub async fn import_seen(&self, keys: &[DeletedEventKey]) -> Result<(), StoreError> {
        let clock = now();
        let (dedups, ahead): (Vec<Vec<u8>>, Vec<Millis>) =
            keys.iter().map(|seen| (seen.dedup.clone(), seen.at.saturating_sub(clock))).unzip();
        let mut query = QueryBuilder::new(
            "WITH given AS (INSERT INTO seen SELECT dedup, now() + ahead * interval '1 millisecond', tenant FROM unnest(",
        );
        let tenants: Vec<String> = keys.iter().map(|seen| seen.tenant.clone()).collect();
        query.push_bind(dedups).push(", ").push_bind(ahead).push(", ").push_bind(tenants);
        query.push(") given(dedup, ahead, tenant) ON CONFLICT DO NOTHING) SELECT NULL::uuid WHERE false");
        self.run::<Uuid>(query).await.map(drop)
    }

    /// Lets gateways claim the imported events that wait.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database fails or does not answer within 11 minutes; the call can be repeated.
    pub async fn release_imported(&self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let mut query = QueryBuilder::new("WITH page AS (SELECT id FROM event WHERE id > ");
            query.push_bind(after).push(" ORDER BY id LIMIT ").push(PAGE).push(
                "), released AS (UPDATE event SET leased_until = NULL FROM page WHERE event.id = page.id \
                 AND state = 0 AND leased_until = 'infinity') SELECT id FROM page ORDER BY id DESC LIMIT 1",
            );
            match self.run::<i64>(query).await?.first() {
                Some(last) => after = *last,
                None => return Ok(()),
            }
        }
    }

    pub(super) async fn run<T>(&self, mut query: QueryBuilder<Engine>) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> Decode<'r, Engine> + Type<Engine>,
    {
        let work = async {
            let mut connection = open::connect(&self.url).await?;
            // No notification waits for a copy, so its statements may take longer than those of other connections.
            sqlx::raw_sql("SET statement_timeout = '10min'").execute(&mut connection).await?;
            let rows = query.build().fetch_all(&mut connection).await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<T>, sqlx::Error>>()
        };
        match timeout(MAX_WAIT, work).await {
            Ok(done) => done.map_err(|error: sqlx::Error| store_error(&error)),
            Err(_) => Err(StoreError::Unavailable),
        }
    }
}

/// Splits records into parts that fit into one statement: PostgreSQL allows 65,535 bound values, and large statements need
/// much memory.
fn split(records: &[Record]) -> Vec<&[Record]> {
    let (mut parts, mut begin, mut values, mut bytes) = (Vec::new(), 0, 0, 0);
    for (place, record) in records.iter().enumerate() {
        let answers = record.attempts.iter().filter_map(|attempt| attempt.answer.as_ref());
        let own_bytes = record.body.bytes.len() + answers.map(|answer| answer.bytes.len()).sum::<usize>();
        let own_values = EVENT_VALUES + record.attempts.len() * ATTEMPT_VALUES;
        if place > begin && (values + own_values > MAX_VALUES || bytes + own_bytes > MAX_BYTES) {
            parts.extend(records.get(begin..place));
            (begin, values, bytes) = (place, 0, 0);
        }
        values += own_values;
        bytes += own_bytes;
    }
    parts.extend(records.get(begin..).filter(|part| !part.is_empty()));
    parts
}

/// Builds the import of some records as one statement, so that an event is never imported without its attempts.
fn import_statement(records: &[Record]) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new(
        "WITH event_given(uid, tenant, dedup, kind, resource, key_id, body, state, dead_reason, attempts, trace, \
         subscription, webhook, seal, source, due, received, since, done) AS (",
    );
    query.push_values(records, push_event);
    // Events whose deduplication key the database has under another uid are left out: it received the notification itself.
    // `Record` does not say whether an event waits because of its portal, so each attempted one counts as such (`held`) and
    // becomes due when the portal is back.
    query.push(
        "), stored AS (INSERT INTO event(uid, tenant, dedup, kind, resource, key_id, body, state, dead_reason, \
           attempts, trace, subscription, webhook, seal, source, due, received, since, done, leased_until, held) \
         SELECT given.*, CASE WHEN given.state = 0 THEN 'infinity'::timestamptz END, \
           CASE WHEN given.state = 0 AND given.attempts > 0 THEN 1 ELSE 0 END FROM event_given given \
         WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.dedup = given.dedup AND event.uid <> given.uid) \
           AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.dedup = given.dedup) \
         ON CONFLICT (uid) DO UPDATE SET state = excluded.state, dead_reason = excluded.dead_reason, \
           attempts = excluded.attempts, due = excluded.due, since = excluded.since, done = excluded.done, \
           leased_until = excluded.leased_until \
         WHERE event.state = 0 AND event.epoch = 0 AND event.attempts <= excluded.attempts \
           AND event.leased_until = 'infinity' \
         RETURNING id, uid), \
         cleared AS (DELETE FROM attempt WHERE event IN (SELECT id FROM stored))",
    );
    let attempts: Vec<_> = records
        .iter()
        .flat_map(|record| record.attempts.iter().map(|attempt| (record.listed.uid, attempt)))
        .collect();
    if !attempts.is_empty() {
        query.push(", given(uid, took, status, error, answer_key, answer, class, at) AS (");
        query.push_values(attempts, |mut row, (uid, attempt)| {
            let answer = attempt.answer.as_ref();
            row.push_bind(uid)
                .push_bind(attempt.took_ms)
                .push_bind(attempt.status.map(i32::from))
                .push_bind(attempt.error.clone())
                .push_bind(answer.map(|answer| answer.key_id))
                .push_bind(answer.map(|answer| answer.bytes.clone()))
                .push_bind(attempt.failure.map(Failure::name));
            push_instant(&mut row, Some(attempt.at));
        });
        query.push(
            "), history AS (INSERT INTO attempt(event, took_ms, status, error, answer_key, answer, class, at) \
             SELECT stored.id, took, status, error, answer_key, answer, class, at FROM given JOIN stored USING (uid) \
             ORDER BY at)",
        );
    }
    query.push(" SELECT uid FROM stored");
    query
}

fn push_event(mut row: sqlx::query_builder::Separated<'_, Engine, &'static str>, record: &Record) {
    let (event, customer) = (&record.listed, record.owner.customer.as_ref());
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
        .push_bind(event.trace.clone())
        .push_bind(customer.map(|customer| customer.subscription.clone()))
        .push_bind(customer.and_then(|customer| customer.webhook.clone()))
        .push_bind(record.owner.binding.code())
        .push_bind(record.source.code());
    for time in [Some(event.due), Some(event.received), Some(record.since), event.done] {
        push_instant(&mut row, time);
    }
}

fn push_instant(row: &mut sqlx::query_builder::Separated<'_, Engine, &'static str>, time: Option<Millis>) {
    match time {
        Some(time) => {
            // Stored by the database's clock: the distance from now is added to its `now()`.
            let ahead = time.saturating_sub(now());
            row.push("now() + ").push_bind_unseparated(ahead).push_unseparated(" * interval '1 millisecond'");
        }
        None => {
            row.push("NULL::timestamptz");
        }
    }
}

/// Bound values of an event and of an attempt.
const EVENT_VALUES: usize = 19;
const ATTEMPT_VALUES: usize = 8;
/// The most values and bytes of one statement, well below PostgreSQL's limits.
const MAX_VALUES: usize = 30_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Longer than the `statement_timeout` of an import, so that the server ends a slow statement first.
const MAX_WAIT: Duration = Duration::from_secs(11 * 60);
