//! The names of the fields of an entry.

pub(super) const CLIENT_ID: &str = "clientId";
pub(super) const CLIENT_SECRET: &str = "clientSecret";
pub(super) const CALLERS: &str = "callers";
pub(super) const EVENTS: &str = "events";
pub(super) const ENVIRONMENTS: &str = "environments";

/// All known fields. The document may have others, for other programs.
pub(super) const FIELDS: [&str; 19] = [
    "Name",
    "subscriptionId",
    "apiToken",
    CLIENT_ID,
    CLIENT_SECRET,
    "webhookId",
    "webhookToken",
    "operations",
    CALLERS,
    EVENTS,
    ENVIRONMENTS,
    "enrich",
    "baseUrl",
    "ftosEndpoint",
    "ftosClientId",
    "ftosUsername",
    "ftosPassword",
    "ftosAction",
    "ftosAuth",
];
