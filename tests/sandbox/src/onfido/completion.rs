//! Which completed reports Onfido notifies.

use std::sync::Arc;

use bytes::Bytes;

/// A report that was completed.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// The account of the check.
    pub account: &'a str,
    /// The id of the check.
    pub check: &'a str,
    /// The id of the report.
    pub report: &'a str,
    /// The body of its notification, for [`Onfido::notify`](super::Onfido::notify).
    pub notification: &'a Bytes,
}

/// Returns whether a completed report is notified.
pub type Notifies = Arc<dyn Fn(&Completion<'_>) -> bool + Send + Sync>;
