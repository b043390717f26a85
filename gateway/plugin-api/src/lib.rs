//! The contract between the gateway and its plugins.
//!
//! A plugin sees heads, bodies and a typed [`Ctx`], never the connection: it cannot break framing, answer
//! twice or forget to drain a body, and its tests need no server. Phases carry Pingora's names and run in
//! this order:
//!
//! ```text
//! request_filter ─▶ request_body_filter ─▶ upstream_request_filter ─▶ (upstream) ─▶ response_filter
//!                                          ─▶ response_body_filter ─▶ buffered_response_filter ─▶ logging
//! ```
//!
//! Request phases run in the order of the route's list, response phases in reverse. A decision is a
//! [`Flow`], a failure is a [`Problem`]; a plugin that guards something fails closed by returning `Err`.

// What the attribute `plugin` writes names this crate, also here.
extern crate self as kyc_plugin_api;

mod admin_pages;
mod background;
mod caller;
mod challenge;
mod credential;
mod ctx;
mod description;
mod factory;
mod forwarded;
mod needs;
mod phases;
mod plugin;
mod private_header;
mod services;
mod target;
#[cfg(feature = "testkit")]
pub mod testkit;
mod wait;

pub use admin_pages::{AdminPages, Changed};
pub use async_trait::async_trait;
pub use background::{Background, BackgroundContext, PrepareError};
pub use caller::Caller;
pub use challenge::Challenge;
pub use credential::{CredentialSource, UpstreamCredential};
pub use ctx::{BodyBuffering, Connection, Ctx, Params, ResponseBuffering};
pub use description::RouteApi;
pub use factory::{Build, Factory, Warnings};
pub use forwarded::{Forwarded, ForwardedHeader};
pub use kyc_model::{
    CallerKind, CallerName, ClientCertificate, ConfigError, ConfigErrors, Problem, ProblemKind,
    TenantSnapshots,
};
pub use kyc_plugin_api_macros::plugin;
pub use kyc_telemetry::{
    Counter, CounterFamily, Gauge, GaugeFamily, Histogram, HistogramFamily, MetricError, MetricsRegistry,
};
pub use needs::{CertificateUse, Issuer, Needs, Proofs};
pub use phases::Phases;
pub use plugin::{Flow, Outcome, Plugin, Result, Role};
pub use private_header::private_header;
pub use services::{HttpClients, MissingService, Services};
pub use target::{Target, Timeouts, UpstreamLimits, UpstreamOperation};
