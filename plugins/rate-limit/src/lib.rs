//! `rate-limit`: calls per tenant and minute.
//!
//! ```toml
//! [[routes.plugins]]
//! plugin = "rate-limit"
//! requests_per_minute = 400
//! burst = 50
//! ```
//!
//! Onfido allows 400 requests per minute in production unless agreed otherwise (developers.onfido.com, "Get
//! started integrating"). Over the limit the caller gets 429 with `Retry-After`, or with `wait` its turn within that
//! time. The tenant must be known, so it stands after `subscription` in the route's list.

mod config;
mod plugin;
mod queue;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::Config;
pub use plugin::PerTenant;

/// The factory of this kind.
#[derive(Debug)]
pub struct RateLimit;

impl Factory for RateLimit {
    const KIND: &'static str = "rate-limit";
    type Config = Config;
    type Plugin = PerTenant;

    fn build(config: Config, build: &Build<'_>) -> Result<PerTenant, ConfigErrors> {
        PerTenant::build(&config, build, governor::clock::DefaultClock::default())
    }
}
