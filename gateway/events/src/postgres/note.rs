//! Inserts entries of the ledger, all those of a batch by one statement.
//!
//! The statement is a transaction of its own. The events are read after it, so that of a note and a notification that two gateways
//! write at the same time one sees the other (`ledger.rs`).

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::ledger::{settle_entries, settle_known};
use crate::share::effects_of_all;
use crate::{Effect, LedgerState, NewEntry, RESULT_KINDS, now};

/// Inserts entries as [`note`] does, except those that are not admitted: their tenants have as many as they may have.
pub(super) async fn note_within(
    connection: &mut PgConnection,
    entries: &[&NewEntry],
    admitted: &[bool],
) -> Result<Vec<Effect>, sqlx::Error> {
    let part = |wanted: bool| {
        let part = entries.iter().zip(admitted).filter(|(_, is_admitted)| **is_admitted == wanted);
        part.map(|(entry, _)| *entry).collect::<Vec<_>>()
    };
    let effects = note(connection, &part(true)).await?;
    let noted = noted(connection, &part(false)).await?;
    Ok(effects_of_all(entries, admitted, effects, &noted))
}

/// Returns the subjects and tenants of those entries that are noted already. A note that is repeated is not over the limit.
async fn noted(
    connection: &mut PgConnection,
    entries: &[&NewEntry],
) -> Result<HashSet<(String, String)>, sqlx::Error> {
    if entries.is_empty() {
        return Ok(HashSet::new());
    }
    let (subjects, tenants): (Vec<&str>, Vec<&str>) = entries.iter().map(|entry| key(entry)).unzip();
    let query = "SELECT subject, tenant FROM started JOIN unnest($1::text[], $2::text[]) AS given(subject, tenant) \
                 USING (subject, tenant)";
    let rows = sqlx::query_as(query).bind(subjects).bind(tenants).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// Inserts entries with their results, and settles those that were notified before. An entry that was noted before stays as
/// it is. Returns the effect of each.
async fn note(connection: &mut PgConnection, entries: &[&NewEntry]) -> Result<Vec<Effect>, sqlx::Error> {
    // One that a batch has twice is inserted once. The order is that of all gateways, so that two of them with the same entries
    // cannot deadlock.
    let mut rows: Vec<&NewEntry> = entries.to_vec();
    rows.sort_by_key(|entry| key(entry));
    rows.dedup_by_key(|entry| key(entry));
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut ids = insert(connection, &rows).await?;
    let noted = rows.iter().filter_map(|entry| Some((*entry, *ids.get(&key(entry))?)));
    let open: Vec<(&NewEntry, i64)> = noted.filter(|(entry, _)| entry.state == LedgerState::Open).collect();
    let settled = settle(connection, &open).await?;
    // Removed, so that the second of two equal entries has changed nothing.
    let effects = entries.iter().copied().map(|entry| match ids.remove(&key(entry)) {
        Some(id) if settled.contains(&id) => Effect::Settled,
        Some(_) => Effect::Done,
        None => Effect::Nothing,
    });
    Ok(effects.collect())
}

/// The identity of an entry: its subject and tenant.
fn key(entry: &NewEntry) -> (&str, &str) {
    (&entry.subject, &entry.owner.tenant)
}

/// Inserts entries with their results. Returns the ids of those that are new.
async fn insert<'a>(
    connection: &mut PgConnection,
    rows: &[&'a NewEntry],
) -> Result<HashMap<(&'a str, &'a str), i64>, sqlx::Error> {
    let clock = now();
    let texts = |of: fn(&NewEntry) -> Option<&str>| rows.iter().map(|entry| of(entry)).collect::<Vec<_>>();
    let numbers = |of: &dyn Fn(&NewEntry) -> i64| rows.iter().map(|entry| of(entry)).collect::<Vec<_>>();
    let (mut places, mut subjects, mut are_reports) = (Vec::new(), Vec::new(), Vec::new());
    for (place, entry) in (1_i64..).zip(rows) {
        let mut reports: Vec<&str> = entry.reports.iter().map(String::as_str).collect();
        reports.sort_unstable();
        reports.dedup();
        for (subject, is_report) in std::iter::once((entry.subject.as_str(), 0_i64))
            .chain(reports.into_iter().map(|report| (report, 1)))
        {
            places.push(place);
            subjects.push(subject);
            are_reports.push(is_report);
        }
    }
    let found = sqlx::query(INSERT)
        .bind(texts(|entry| Some(&entry.owner.tenant)))
        .bind(texts(|entry| {
            Some(entry.owner.customer.as_ref().map_or("", |customer| &customer.subscription))
        }))
        .bind(texts(|entry| entry.owner.customer.as_ref()?.webhook.as_deref()))
        .bind(numbers(&|entry| entry.kind.code()))
        .bind(texts(|entry| Some(&entry.subject)))
        .bind(texts(|entry| entry.applicant.as_deref()))
        .bind(numbers(&|entry| entry.state.code()))
        // The database adds these differences to its own clock.
        .bind(numbers(&|entry| clock.saturating_sub(entry.started)))
        .bind(numbers(&|entry| entry.overdue.saturating_sub(entry.started)))
        .bind(texts(|entry| Some(&entry.trace)))
        .bind(numbers(&|entry| i64::from(entry.awaits_itself)))
        .bind(places)
        .bind(subjects)
        .bind(are_reports)
        .fetch_all(connection)
        .await?;
    let mut ids = HashMap::with_capacity(found.len());
    for row in found {
        let place: i64 = row.try_get(0)?;
        let entry = usize::try_from(place - 1).ok().and_then(|place| rows.get(place));
        if let Some(entry) = entry {
            ids.insert(key(entry), row.try_get(1)?);
        }
    }
    Ok(ids)
}

/// Settles new entries whose results were notified already. Returns those that this settles.
async fn settle(
    connection: &mut PgConnection,
    entries: &[(&NewEntry, i64)],
) -> Result<HashSet<i64>, sqlx::Error> {
    let subjects: Vec<String> = entries
        .iter()
        .flat_map(|(entry, _)| std::iter::once(&entry.subject).chain(&entry.reports))
        .cloned()
        .collect();
    // Almost always there is none, and nothing is locked.
    let query =
        format!("SELECT EXISTS (SELECT 1 FROM event WHERE resource = ANY($1) AND kind IN ({RESULT_KINDS}))");
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(&subjects);
    if subjects.is_empty() || !query.fetch_one(&mut *connection).await? {
        return Ok(HashSet::new());
    }
    let ids: Vec<i64> = entries.iter().map(|(_, id)| *id).collect();
    let known = settle_known(connection, &ids, &subjects).await?;
    let known: Vec<i64> = known.into_iter().map(|(entry, _)| entry).collect();
    Ok(settle_entries(connection, &known).await?.into_iter().collect())
}

/// The start is kept in milliseconds, as in cursors of lists.
const INSERT: &str = "WITH given AS (SELECT *, date_trunc('milliseconds', now() - ago * interval '1 millisecond') AS started \
       FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], \
         $9::bigint[], $10::text[], $11::bigint[]) WITH ORDINALITY AS given(tenant, subscription, webhook, kind, subject, \
         applicant, state, ago, wait, trace, awaits_itself, place)), \
     entry AS (INSERT INTO started(tenant, subscription, webhook, kind, subject, applicant, state, started, overdue, due, \
       settled, trace, awaits_itself) SELECT tenant, subscription, webhook, kind, subject, applicant, state, started, \
       started + wait * interval '1 millisecond', started + wait * interval '1 millisecond', \
       CASE WHEN state = 0 THEN NULL ELSE started END, trace, awaits_itself FROM given ORDER BY place \
       ON CONFLICT DO NOTHING RETURNING id, subject, tenant), \
     noted AS (SELECT place, id FROM entry JOIN given USING (subject, tenant)), \
     result AS (INSERT INTO started_result(entry, subject, is_report) SELECT id, subject, is_report \
       FROM unnest($12::bigint[], $13::text[], $14::bigint[]) AS results(place, subject, is_report) JOIN noted USING (place)) \
     SELECT place, id FROM noted";
