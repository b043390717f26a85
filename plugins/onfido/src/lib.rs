//! `onfido`: the upstream, the credential, `webhook_ids` and links of Onfido's API.
//!
//! ```toml
//! [[routes.plugins]]
//! plugin = "onfido"
//! public_url = "https://gateway.example/dcs/kyc2"
//! webhook_ids = "inject"
//! max_checks_body = "64KiB"
//! strip_version = true
//! operations = { allow = ["*"], deny = ["delete_applicant"], unknown = "pass", report_only = false, report_only_tenants = false }
//! timeouts = { connect = "5s", read = "60s", write = "30s", idle = "30s", synchronous_check = "4m" }
//! aliases = { CreateApplicant = "POST /applicants" }
//! ```
//!
//! The route's pattern ends in `{*path}`: what follows the prefix is the path below the tenant's base URL.
//! The plugin that finds the tenant stands before this one.

mod alias;
mod catalog;
mod config;
mod description;
mod enforcement;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod links;
mod operation;
mod plugin;
mod policy;
#[cfg(test)]
mod spellings;
mod splice;
mod version;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::{Config, OperationConfig, TimeoutConfig, Unknown, WebhookIds};
pub use plugin::OnfidoApi;
pub use splice::{Spliced, splice_webhook_ids};

/// The factory of this kind.
#[derive(Debug)]
pub struct Onfido;

impl Factory for Onfido {
    const KIND: &'static str = "onfido";
    type Config = Config;
    type Plugin = OnfidoApi;

    fn build(config: Config, build: &Build<'_>) -> Result<OnfidoApi, ConfigErrors> {
        OnfidoApi::build(&config, build)
    }
}
