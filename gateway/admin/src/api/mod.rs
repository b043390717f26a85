//! The operations of operators: who may do which, and with what reason and record.

pub(crate) mod answers;
pub(crate) mod audit_messages;
pub(crate) mod audit_pages;
pub(crate) mod dispatch;
pub(crate) mod event_messages;
pub(crate) mod reason;
pub(crate) mod request;
pub(crate) mod stored_events;
pub(crate) mod tenant_messages;
pub(crate) mod tenant_pages;

/// First segments of paths that the admin side uses itself; no plugin may add a page of such a name.
pub const OWN_PAGES: [&str; 7] = ["admin", "audit", "events", "livez", "metrics", "readyz", "swagger"];
