//! The client of FintechOS portals: logs in with a tenant's account, delivers an event, and classifies the response.

mod address_policy;
mod client;
mod config;
mod dialects;
mod endpoint;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod responses;
mod session;
mod spans;

pub use client::PortalClient;
pub use config::{DataForm, PortalConfig};
pub use error::{DeliveryClass, DeliveryError, Step};
pub use responses::delivery::PortalResponse;
pub use session::LoginReuse;
