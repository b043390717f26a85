//! `rate-limit`: limits the requests of each tenant per minute.
//!
//! ```toml
//! [[routes.plugins]]
//! plugin = "rate-limit"
//! requests_per_minute = 400
//! burst = 50
//! ```
//!
//! Onfido allows 400 requests per minute in production unless agreed otherwise (developers.onfido.com, "Get
//! started integrating"). A request over the limit is answered 429 with `Retry-After`; with `wait` it is queued for up to that
//! time instead. The limit is per tenant, so put this plugin after `subscription` in the route's list.

mod config;
mod plugin;
mod queue;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::Config;
pub use plugin::TenantRateLimit;

/// The factory of the plugin `rate-limit`.
#[derive(Debug)]
pub struct RateLimit;

impl Factory for RateLimit {
    const KIND: &'static str = "rate-limit";
    type Config = Config;
    type Plugin = TenantRateLimit;

    fn build(config: Config, build: &Build<'_>) -> Result<TenantRateLimit, ConfigErrors> {
        TenantRateLimit::build(&config, build, governor::clock::DefaultClock::default())
    }
}
