//! Imports the ledger of another store.

use sqlx::QueryBuilder;

use super::database::Postgres;
use crate::{LedgerEntry, Millis, StoreError, now};

impl Postgres {
    /// Imports entries of the ledger with their results. Entries that the database has already stay as they are, so the
    /// import can be repeated.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database fails or does not answer within 11 minutes; the import can be repeated.
    pub async fn import_entries(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        // Times are stored by the database's clock: the distances from now are added to its `now()`.
        let clock = now();
        let ahead = |at: Millis| at.saturating_sub(clock);
        let row = |entry: &LedgerEntry| {
            let customer = entry.owner.customer.as_ref();
            let results: Vec<_> = entry
                .results
                .iter()
                .map(|result| {
                    serde_json::json!([
                        result.subject,
                        i64::from(result.is_report),
                        result.state.code(),
                        result.settled.map(ahead),
                        result.event.map(|event| event.to_string()),
                    ])
                })
                .collect();
            serde_json::json!({
                "tenant": entry.owner.tenant,
                "subscription": customer.map(|customer| customer.subscription.as_str()).unwrap_or_default(),
                "webhook": customer.and_then(|customer| customer.webhook.as_ref()),
                "kind": entry.kind.code(),
                "subject": entry.subject,
                "applicant": entry.applicant,
                "state": entry.state.code(),
                "started": ahead(entry.started),
                "overdue": ahead(entry.overdue),
                "due": ahead(entry.due),
                "lookups": entry.lookups,
                "missing": entry.missing,
                "awaits_itself": i64::from(entry.awaits_itself),
                "error": entry.error,
                "settled": entry.settled.map(ahead),
                "trace": entry.trace,
                "results": results,
            })
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        let mut query = QueryBuilder::new("WITH given AS (SELECT * FROM jsonb_to_recordset(");
        query.push_bind(serde_json::json!(rows).to_string()).push(IMPORT);
        self.run::<i64>(query).await.map(drop)
    }
}

const IMPORT: &str = "::jsonb) AS given(tenant text, subscription text, webhook text, kind bigint, subject text, \
       applicant text, state bigint, started bigint, overdue bigint, due bigint, lookups integer, missing bigint, awaits_itself bigint, error text, \
       settled bigint, trace text, results jsonb)), \
     stored AS (INSERT INTO started(tenant, subscription, webhook, kind, subject, applicant, state, started, overdue, due, \
       lookups, missing, awaits_itself, error, settled, trace) SELECT tenant, subscription, webhook, kind, subject, applicant, state, \
       date_trunc('milliseconds', now() + started * interval '1 millisecond'), now() + overdue * interval '1 millisecond', \
       now() + due * interval '1 millisecond', lookups, missing, awaits_itself, error, now() + settled * interval '1 millisecond', trace \
       FROM given ON CONFLICT DO NOTHING RETURNING id, subject, tenant), \
     imported AS (INSERT INTO started_result(entry, subject, is_report, state, settled, event) \
       SELECT stored.id, result ->> 0, (result ->> 1)::bigint, (result ->> 2)::bigint, \
       now() + (result ->> 3)::bigint * interval '1 millisecond', (result ->> 4)::uuid \
       FROM given JOIN stored USING (subject, tenant), jsonb_array_elements(results) AS result) \
     SELECT id FROM stored";
