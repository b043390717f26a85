//! The ledger of started checks: what Onfido still has to notify.
//!
//! A webhook that was never sent leaves no trace: only who notes what was started can tell that a result is missing. For
//! each check and workflow run that was started through the gateway, the store keeps an *entry*, with one *result* for the
//! check or run itself and one for each of its reports. A notification settles its result in the transaction that stores
//! its event, in whichever order note and notification are committed. What stays open is looked up at Onfido.

mod awaited;
mod closed;
mod entry;
mod filter;
mod metrics;
mod note;
mod reader;
mod state;
mod unwritten;

pub(crate) use awaited::{Awaited, Held, Plan, settling};
pub use entry::{EntryEnd, LedgerCounts, LedgerEntry, LedgerResult, LookedUp, NewEntry};
pub use filter::LedgerFilter;
pub use metrics::LedgerMetrics;
pub(crate) use metrics::LostReason;
pub use note::{Expected, Ledger, Noted, Started};
pub use reader::LedgerReader;
pub(crate) use state::{FINAL_STATE, IS_SETTLED, RESULT_KINDS};
pub use state::{LedgerState, SubjectKind};
pub(crate) use unwritten::Unwritten;
