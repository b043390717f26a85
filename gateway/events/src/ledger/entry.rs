//! Entries of the ledger, and the commands that change them.

use uuid::Uuid;

use super::state::{LedgerState, SubjectKind};
use crate::{Millis, Owner};

/// An entry to insert.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The tenant for which it was started.
    pub owner: Owner,
    /// What was started.
    pub kind: SubjectKind,
    /// Its id at Onfido.
    pub subject: String,
    /// The id of its applicant.
    pub applicant: Option<String>,
    /// The ids of the reports of a check.
    pub reports: Vec<String>,
    /// Whether only the notification of the check itself settles it, and not those of its reports.
    pub awaits_itself: bool,
    /// `Open`, or the end that the response to the call has brought already.
    pub state: LedgerState,
    /// When the response to the call arrived.
    pub started: Millis,
    /// When the result is overdue, and is looked up for the first time.
    pub overdue: Millis,
    /// The id and the trace of the call, as [`kyc_model::Correlation`] writes them.
    pub trace: String,
}

/// An entry as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The id of its row.
    pub id: i64,
    /// The tenant for which it was started.
    pub owner: Owner,
    /// What was started.
    pub kind: SubjectKind,
    /// Its id at Onfido.
    pub subject: String,
    /// The id of its applicant.
    pub applicant: Option<String>,
    /// Whether only the notification of the check itself settles it, and not those of its reports.
    pub awaits_itself: bool,
    /// Its state.
    pub state: LedgerState,
    /// When it was started.
    pub started: Millis,
    /// When its result is overdue.
    pub overdue: Millis,
    /// When it is looked up next, while it is open.
    pub due: Millis,
    /// The number of look-ups so far that Onfido answered.
    pub lookups: u32,
    /// How many of the last look-ups Onfido answered 404, one after the other.
    pub missing: u32,
    /// Why the last look-up brought no result.
    pub error: Option<String>,
    /// When it was settled.
    pub settled: Option<Millis>,
    /// The results that it waits for: that of the check or run itself, then those of its reports.
    pub results: Vec<LedgerResult>,
    /// The id and the trace of the call, as [`kyc_model::Correlation`] writes them.
    pub trace: String,
}

/// A result that an entry waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerResult {
    /// The id of the check, workflow run or report at Onfido.
    pub subject: String,
    /// Whether it is a report of the check.
    pub is_report: bool,
    /// Whether it is known, and whence.
    pub state: LedgerState,
    /// When it was settled.
    pub settled: Option<Millis>,
    /// The event that settled it.
    pub event: Option<Uuid>,
}

/// A look-up at Onfido that did not settle an entry.
#[derive(Clone, Debug)]
pub struct LookedUp {
    /// The id of the entry's row.
    pub id: i64,
    /// When it is looked up next, by this machine's clock.
    pub next: Millis,
    /// How many of the last look-ups Onfido answered 404, with this one.
    pub missing: u32,
    /// Why the look-up brought no result; `None` when the resource is not complete.
    pub error: Option<String>,
    /// Whether Onfido answered for this resource, so that the look-up counts.
    pub is_answered: bool,
}

/// The end of an entry that a look-up has shown.
#[derive(Clone, Copy, Debug)]
pub struct EntryEnd {
    /// The id of the entry's row.
    pub id: i64,
    /// The end; `Open` changes nothing.
    pub state: LedgerState,
    /// The system's clock.
    pub now: Millis,
}

/// The open entries of one tenant, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCounts {
    /// The tenant's name at the start.
    pub tenant: String,
    /// Open entries.
    pub open: i64,
    /// Open entries whose results are overdue.
    pub overdue: i64,
    /// When the first of them was overdue, by this machine's clock.
    pub overdue_since: Option<Millis>,
    /// When the first look-up is due, by this machine's clock.
    pub first_due: Millis,
}
