//! Probes each tenant's Onfido account and portal, and keeps what is wrong as findings.
//!
//! A webhook that somebody disabled, a token that expired or an account that was closed makes no error at the gateway: nothing
//! arrives any more. Therefore the doctor looks at both sides itself, at start, at intervals and on demand. All probes are
//! read-only: at most two `GET`s at Onfido, and at most one login at the portal.
//!
//! A probe has one of three results: all is well, findings, or unknown. Unknown (Onfido is down, or limits the rate) says nothing
//! about the tenant's configuration, so it adds no finding and clears none.

mod code;
mod config;
mod doctor;
mod examination;
mod expected;
mod probes;
mod readings;
mod record;
mod schedule;

pub use code::{Code, Probe};
pub use config::DoctorConfig;
pub use doctor::{Demand, Doctor};
pub use examination::Examined;
pub use expected::{Expected, NotificationRoute};
pub use probes::Probes;
pub use record::{ReportedFinding, TenantReport, UnknownProbe};
