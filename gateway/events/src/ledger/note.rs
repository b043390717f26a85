//! The service that notes started checks; the plugin `onfido` uses it.

use std::fmt;

use async_trait::async_trait;
use kyc_model::{Correlation, Tenant};

use super::entry::NewEntry;
use super::state::{LedgerState, SubjectKind};
use crate::{Millis, Owner};

/// A check or workflow run that a call has started. `Debug` shows only the tenant and the kind.
#[derive(Clone, Copy)]
pub struct Started<'a> {
    /// The tenant of the call.
    pub tenant: &'a Tenant,
    /// What was started.
    pub kind: SubjectKind,
    /// Its id at Onfido.
    pub id: &'a str,
    /// The id of its applicant, if the response has it.
    pub applicant: Option<&'a str>,
    /// The ids of the reports of a check. The check is settled when all of them were notified, too.
    pub reports: &'a [String],
    /// `Open`, or the end that the response has brought already (`Synchronous`).
    pub state: LedgerState,
    /// When the response arrived.
    pub at: Millis,
    /// When its result is overdue, and is looked up for the first time.
    pub overdue: Millis,
    /// The id and the trace of the call.
    pub correlation: &'a Correlation,
}

/// What has become of a note. None of them fails the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The entry is durable.
    Durable,
    /// The store did not commit it in time. It waits in memory and is written later.
    Waiting,
    /// It is lost: too many entries wait already. It was counted and logged.
    Lost,
}

/// Notes started checks. There is one instance for the whole gateway.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Notes a started check or workflow run, and waits up to a second until the entry is durable. A caller may drop the
    /// future; the entry is written all the same.
    async fn note(&self, started: Started<'_>) -> Noted;

    /// Returns whether notes are kept. If not, the response to a call need not be read for them.
    fn is_kept(&self) -> bool {
        true
    }
}

// === impl Started ===

impl fmt::Debug for Started<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("tenant", &self.tenant.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl From<Started<'_>> for NewEntry {
    fn from(started: Started<'_>) -> Self {
        let text = |text: &str| searchable(text);
        Self {
            owner: Owner::of(started.tenant),
            kind: started.kind,
            subject: text(started.id),
            applicant: started.applicant.map(text),
            reports: started.reports.iter().take(MAX_REPORTS).map(|id| text(id)).collect(),
            state: started.state,
            started: started.at,
            overdue: started.overdue,
            trace: started.correlation.to_string(),
        }
    }
}

/// Prepares a text for a column: PostgreSQL refuses NUL in texts. Onfido's ids are UUIDs.
fn searchable(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(MAX_ID).collect()
}

/// The most characters of an id.
const MAX_ID: usize = 200;
/// The most reports of one check that are kept; Onfido has about twenty kinds.
const MAX_REPORTS: usize = 50;
