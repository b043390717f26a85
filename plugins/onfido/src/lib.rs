//! `onfido`: forwards calls to Onfido's API: sets the upstream and the tenant's credential, adds `webhook_ids` to new checks,
//! and rewrites links in responses.
//!
//! ```toml
//! [[routes.plugins]]
//! plugin = "onfido"
//! public_url = "https://gateway.example/dcs/kyc2"
//! webhook_ids = "inject"
//! max_checks_body = "64KiB"
//! strip_version = true
//! ledger = true
//! operations = { allow = ["*"], deny = ["delete_applicant"], unknown = "pass", report_only = false, report_only_tenants = false }
//! timeouts = { connect = "5s", read = "60s", write = "30s", idle = "30s", synchronous_check = "4m" }
//! aliases = { CreateApplicant = "POST /applicants" }
//! ```
//!
//! The route's pattern must end in `{*path}`: what follows the prefix is appended to the tenant's base URL. The plugin that
//! finds the tenant must come before this one in the route's list.

mod alias;
mod catalog;
mod config;
mod description;
mod durations;
mod enforcement;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod links;
mod notes;
mod operation;
mod plugin;
mod policy;
mod public_url;
#[cfg(test)]
mod spellings;
mod splice;
mod started;
mod tenant_token;
#[cfg(test)]
mod testing;
mod version;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::{Config, OperationConfig, TimeoutConfig, Unknown, WebhookIds};
pub use plugin::OnfidoApi;
pub use splice::{Spliced, splice_webhook_ids};

/// The factory of the plugin `onfido`.
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
