//! FintechOS portals: logs in under a tenant's account, delivers an event, and says what became of it.

mod address_policy;
mod answers;
mod client;
mod config;
mod dialects;
mod endpoint;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod session;

pub use answers::delivery::Answer;
pub use client::Portals;
pub use config::{DataForm, PortalConfig};
pub use error::{DeliveryClass, DeliveryError, Step};
