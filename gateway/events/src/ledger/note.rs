//! The service that notes started checks; the plugin `onfido` uses it.

use std::fmt;

use async_trait::async_trait;
use kyc_model::{Correlation, Tenant};

use super::entry::NewEntry;
use super::state::{LedgerState, SubjectKind};
use crate::{Millis, Owner, searchable};

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
    /// The id and the trace of the call.
    pub correlation: &'a Correlation,
}

/// What the entry of a started check waits for.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// When its result is overdue, and is looked up for the first time.
    pub overdue: Millis,
    /// Whether only the notification of the check itself settles it, because the tenant takes it, and not those of its reports.
    pub itself: bool,
}

/// What has become of a note. None of them fails the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The entry is durable.
    Durable,
    /// The store did not commit it in time. It waits in memory and is written later.
    Waiting,
    /// It is lost: too many entries wait already, or its tenant has as many as it may have. It was counted and logged.
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

impl Started<'_> {
    /// Returns the entry to insert, with what it waits for.
    pub(crate) fn entry(&self, expected: Expected) -> NewEntry {
        NewEntry {
            owner: Owner::of(self.tenant),
            kind: self.kind,
            subject: searchable(self.id),
            applicant: self.applicant.map(searchable),
            reports: self.reports.iter().take(MAX_REPORTS).map(|id| searchable(id)).collect(),
            awaits_itself: expected.itself,
            state: self.state,
            started: self.at,
            overdue: expected.overdue,
            trace: self.correlation.to_string(),
        }
    }
}

/// The most reports of one check that are kept; Onfido has about twenty kinds.
const MAX_REPORTS: usize = 50;
