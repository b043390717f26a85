//! The types that all rooms share: ids, secrets, tenants, problems, events and trace contexts.
//!
//! This crate depends on no other room, and on HTTP only for header names and values.

mod caller;
mod client_certificate;
mod config_error;
mod correlation;
mod environments;
mod event;
mod event_actions;
mod event_kind;
mod header;
mod ids;
mod networks;
mod operations;
mod problem;
mod secret;
mod secret_source;
mod table;
mod tenant;
#[cfg(feature = "testkit")]
pub mod testkit;
mod trace;
mod upstream;

pub use caller::{CallerKind, CallerName, CallerNameError, is_issuer_name};
pub use client_certificate::ClientCertificate;
pub use config_error::{ConfigError, ConfigErrors};
pub use correlation::Correlation;
pub use environments::{Environment, Environments};
pub use event::{Event, EventError};
pub use event_actions::{EventActions, EventRoute};
pub use event_kind::{EVENT_KINDS, TEST_EVENT_KIND, event_kind_label};
pub use header::REQUEST_ID_HEADER;
pub use ids::{RequestId, SubscriptionId, TenantName};
pub use networks::{Networks, NetworksError};
pub use operations::{API_OPERATIONS, ApiOperation, OperationListError, OperationSet, TOKENS};
pub use problem::{Problem, ProblemKind};
pub use secret::{MIN_SEARCHED_BYTES, Secret, ShortSecretError};
pub use secret_source::{SecretSource, SecretSourceError};
pub use table::{DuplicateKey, TenantSnapshots, TenantTable};
pub use tenant::{Credential, Dialect, OAuthClient, Portal, Tenant};
pub use trace::TraceContext;
pub use upstream::{BaseUrlError, UpstreamBase, is_exposed};
