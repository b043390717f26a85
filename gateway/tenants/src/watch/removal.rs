//! Refuses a document that removes most of the tenants.
//!
//! Such a document is more often a mistake (an empty array, a template without its entries, another environment's secret) than
//! a wish, and it takes all calls and notifications of those tenants out of service within one poll. So an operator must confirm
//! it. The first document after the start has nothing to be compared with, and is used as it is.

use std::fmt;

use kyc_model::{TenantName, TenantTable};

use crate::document::Document;

/// Whether a document may remove most of the tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MassRemoval {
    /// The document is refused.
    #[default]
    Refuse,
    /// An operator has confirmed it: the document is used.
    Accept,
}

/// A document was refused because it removes most of the tenants, which stay in use.
///
/// `Display`: `it removes 3 of 4 tenants (acme, globex, initech), so it is not used: repair it, or confirm it with kyc-gateway
/// tenants reload --accept`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it removes {} of {served} tenants ({}), so it is not used: {WHAT_TO_DO}", names.len(), FirstNames(names))]
pub struct RefusedRemoval {
    /// The number of tenants that are served.
    pub served: usize,
    /// The tenants that the document would remove, by name.
    pub names: Vec<TenantName>,
}

/// The first names of a list, and how many more there are.
struct FirstNames<'a>(&'a [TenantName]);

// === impl RefusedRemoval ===

impl RefusedRemoval {
    /// Returns why a document needs a confirmation: it removes every tenant, or at least two and more than half of them.
    pub(super) fn of(document: &Document, running: &TenantTable) -> Option<Self> {
        let (names, served) = (document.keys().missing(running), running.iter().count());
        let removes_all = document.keys().is_empty() && !names.is_empty();
        let removes_most = names.len() >= MIN_REMOVED && names.len() * 2 > served;
        (removes_all || removes_most).then_some(Self { served, names })
    }

    /// Returns the refusal without names of tenants, for readers who do not log in.
    pub fn without_names(&self) -> String {
        format!(
            "the tenant document is not used, because it removes {} of {} tenants: {WHAT_TO_DO}",
            self.names.len(),
            self.served
        )
    }
}

// === impl FirstNames ===

impl fmt::Display for FirstNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: Vec<&str> = self.0.iter().take(MAX_NAMES).map(TenantName::as_str).collect();
        f.write_str(&first.join(", "))?;
        match self.0.len().saturating_sub(MAX_NAMES) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A single tenant can be removed without a confirmation: that is an ordinary change.
const MIN_REMOVED: usize = 2;
/// The largest number of tenant names in a message.
const MAX_NAMES: usize = 10;
const WHAT_TO_DO: &str = "repair it, or confirm it with `kyc-gateway tenants reload --accept --reason TEXT`";
