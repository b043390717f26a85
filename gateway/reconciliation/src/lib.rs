//! Looks up, at Onfido, checks and workflow runs whose results are overdue.
//!
//! Onfido notifies each result, and nobody can ask it which notifications it has sent. One that got lost (a webhook that was
//! disabled, a gateway that was away for longer than Onfido repeats) means a customer who waits forever. Therefore the event store
//! has a ledger of what was started; an entry that no notification has settled in time is looked up under the tenant's credential,
//! oldest first. A result becomes an event in the form of the notification that never came.
//!
//! Look-ups share the limit of calls that Onfido sets for the tenant's account, so they have a budget, and entries without a result
//! are looked up ever more seldom.

mod backoff;
mod budget;
mod config;
mod found;
mod lookup;
mod reconciliation;
mod reply;
mod wanted;

pub use config::ReconciliationConfig;
pub use reconciliation::Reconciliation;
pub use wanted::Wanted;
