//! The admin listener: probes and metrics, the logins and roles of operators, their operations, the audit records of their
//! changes, and the page of the API description.

mod api;
mod audit;
mod connection;
mod hosts;
mod identity;
mod known_secrets;
mod openapi;
mod printable;
mod readiness;
mod roles;
mod service;
mod socket;

pub use api::OWN_PAGES;
pub use api::answers::INTENT;
pub use api::audit_messages::{AuditRecord, AuditRecords, ListAuditRecords};
pub use api::audit_pages::{AuditPages, OUTCOMES};
pub use api::check_messages::{
    CheckDetails, CheckDetailsList, CheckEntry, CheckList, CheckSelection, ListChecks, ListGaps, ResultEntry,
    ShowCheck,
};
pub use api::check_pages::CheckPages;
pub use api::dispatch::{Dispatcher, Services};
pub use api::doctor_messages::{DoctorReport, FindingEntry, ProbeTenants, ProbedTenant, UnknownEntry};
pub use api::event_messages::{
    AttemptEntry, ChangeReport, DiscardEvents, DispatcherEntry, EventDetails, EventEntry, EventList,
    EventSelection, EventSummary, HoldEntry, ListEvents, ListUndelivered, ReassignEvents, RekeyEvents,
    ReplayEvents, ShowEvent, SummarizeEvents, TenantEvents, TenantHold, UndeliveredEntry, UndeliveredList,
};
pub use api::reason::{REASON, Reason, ReasonError};
pub use api::request::{ApiRequest, ErrorAnswer, Parameters};
pub use api::stored_events::{EventPages, event_filter, export};
pub use api::tenant_messages::{ListTenants, ReloadReport, ReloadTenants, TenantEntry, TenantList};
pub use api::tenant_pages::{TenantPages, tenant_list};
pub use audit::{Attempt, Audit, AuditFile, Fault, Head, OfflineOperation, Peer, Unended, Verifier};
pub use connection::{AdminConnection, AdminConnections};
pub use hosts::{HostName, Hosts, Scheme};
pub use identity::access::{Access, Login, Proof};
pub use identity::token_keys::OperatorTokenKeys;
pub use known_secrets::KnownSecrets;
pub use openapi::{ApiPage, DescribedRoute, ENABLED as ENABLE_SWAGGER};
pub use printable::is_terminal_control;
pub use readiness::Readiness;
pub use roles::{Operation, Role};
pub use service::Admin;
pub use socket::{AdminSocket, LISTENER, UnpublishedSocket};
