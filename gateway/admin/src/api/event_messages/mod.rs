//! Requests about stored events, and their answers.

mod answers;
mod query;
mod requests;

pub use answers::{
    AttemptEntry, ChangeReport, DispatcherEntry, EventDetails, EventEntry, EventList, EventSummary,
    HoldEntry, TenantEvents, TenantHold, UndeliveredEntry, UndeliveredList,
};
pub(crate) use query::Query;
pub use requests::{
    DiscardEvents, EventSelection, ListEvents, ListUndelivered, ReassignEvents, RekeyEvents, ReplayEvents,
    ShowEvent, SummarizeEvents,
};
