//! What the events of a batch are about, and which entries of the ledger wait for it.

use sqlx::postgres::PgConnection;

use crate::NewEvent;

/// The results that the events of a batch are about, each with the owner of its event.
#[derive(Default)]
pub(super) struct Given {
    pub(super) subjects: Vec<String>,
    tenants: Vec<String>,
    /// The digests of the subscription ids; empty without one.
    subscriptions: Vec<String>,
}

// === impl Given ===

impl Given {
    pub(super) fn of(events: &[&NewEvent]) -> Self {
        let mut given = Self::default();
        for event in events {
            let Some(subject) = &event.resource else { continue };
            let subscription = event.owner.customer.as_ref().map(|customer| customer.subscription.clone());
            given.subjects.push(subject.clone());
            given.tenants.push(event.owner.tenant.clone());
            given.subscriptions.push(subscription.unwrap_or_default());
        }
        given
    }

    /// Returns the entries of these owners that wait for these results, and fulfil a condition. An entry of another tenant
    /// is not locked, nor are its events read: workflow runs are notified to all webhooks of an Onfido account.
    pub(super) async fn entries(
        &self,
        connection: &mut PgConnection,
        condition: &str,
    ) -> Result<Vec<i64>, sqlx::Error> {
        if self.subjects.is_empty() {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT DISTINCT entry FROM unnest($1::text[], $2::text[], $3::text[]) given(subject, tenant, subscription) \
             JOIN started_result AS result ON result.subject = given.subject JOIN started ON started.id = entry \
             AND (started.tenant = given.tenant \
               OR started.subscription = given.subscription AND given.subscription <> '') {condition}"
        );
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query));
        let query = query.bind(&self.subjects).bind(&self.tenants).bind(&self.subscriptions);
        query.fetch_all(connection).await
    }
}
