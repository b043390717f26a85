//! Which entries a list shows.

use super::state::{LedgerState, SubjectKind};
use crate::Millis;

/// Selects entries that match every field; an absent field matches all entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerFilter {
    /// Entries of this tenant, by its name at the start.
    pub tenant: Option<String>,
    /// Entries in this state.
    pub state: Option<LedgerState>,
    /// Entries of this kind.
    pub kind: Option<SubjectKind>,
    /// Entries of this applicant.
    pub applicant: Option<String>,
    /// The entry with this id, or with a report that has it.
    pub subject: Option<String>,
    /// Entries that were started at this time or later.
    pub since: Option<Millis>,
    /// Entries that were started before this time.
    pub until: Option<Millis>,
    /// Open entries that were overdue before this time.
    pub overdue_before: Option<Millis>,
}
