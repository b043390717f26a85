//! The admin API: dispatch, requests and answers.

pub(crate) mod answers;
pub(crate) mod audit_messages;
pub(crate) mod audit_pages;
pub(crate) mod check_messages;
pub(crate) mod check_pages;
pub(crate) mod dispatch;
pub(crate) mod doctor_messages;
pub(crate) mod event_messages;
pub(crate) mod reason;
pub(crate) mod request;
pub(crate) mod stored_events;
pub(crate) mod tenant_messages;
pub(crate) mod tenant_pages;

/// The first path segments of the gateway's own pages; a plugin may not add a page with such a name.
pub const OWN_PAGES: [&str; 8] =
    ["admin", "audit", "checks", "events", "livez", "metrics", "readyz", "swagger"];
