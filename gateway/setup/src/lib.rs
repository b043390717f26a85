//! Sets up a tenant at Onfido, at its portal and in the tenant document by one operation; removes it, rotates its API token, and
//! tests it.
//!
//! Onfido and the document are two systems without a common transaction, and the process can be killed between any two calls.
//! Therefore the order of the steps is such that a second run of the same command finds what the first one left, and finishes it:
//!
//! - A new tenant's webhook is registered before its entry is written. What a killed run leaves is a webhook with the tenant's URL
//!   and without an entry; the next run adopts it. The entry is written last and in one piece, by check-and-set.
//! - A tenant's webhook is deleted before its entry, because the entry has the credential for it. What a killed run leaves is an
//!   entry without a webhook, which the doctor names; the next run removes it.
//! - A run that fails takes back what it did. If that fails too, its error says what is left and how to finish.

mod add;
mod error;
mod failure_kind;
mod new_tenant;
mod progress;
mod registration;
mod remove;
mod rotate;
mod setup;
mod signed;
mod test_event;
mod trial;

pub use add::Added;
pub use error::SetupError;
pub use failure_kind::FailureKind;
pub use new_tenant::{NewCredential, NewPortal, NewTenant, WebhookEnvironments};
pub use progress::Progress;
pub use remove::{AtOnfido, RemovalPlan, Removed, WebhookFate, WhyLeft};
pub use rotate::{AccountProof, Rotation};
pub use setup::{Clients, Objection, Setup};
pub use trial::{Tried, Way};
