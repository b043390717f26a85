//! `caller-auth`: authenticates callers.
//!
//! ```toml
//! [[routes.plugins]]
//! plugin = "caller-auth"
//! header = "X-Gateway-Secret"
//! secret_file = "/run/secrets/gateway-secret"
//! previous_secret_file = "/run/secrets/gateway-secret.old"
//! allow = ["10.0.0.0/8"]
//! ```
//!
//! A caller that bypasses Azure API Management could send the header of any tenant. This plugin prevents that by up to four
//! checks: a secret header that API Management's policy sets, the networks that callers connect from, a client certificate,
//! and a bearer token of Microsoft Entra or another OpenID Connect provider. The configuration must contain at least one.
//! A caller must pass every configured check; with `require = "any"`, one. Put this plugin first in the route's list.
//!
//! The plugin records the caller's names from the credentials that passed: the subject and alternative names of a
//! certificate; `sub`, `azp`, `appid` and `client_id` of a token; the name of a secret. The plugin that finds the tenant
//! compares them with the tenant's `callers`, and the access log shows them. A network gives a caller no name.

mod background;
mod certificates;
mod config;
mod plugin;
mod reason;
mod secrets;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::{Config, Require, SECRET_HEADER, SecretConfig};
pub use kyc_tokens::{TokenConfig, TokenKind};
pub use plugin::CallerAuthentication;

/// The factory of the plugin `caller-auth`.
#[derive(Debug)]
pub struct CallerAuth;

impl Factory for CallerAuth {
    const KIND: &'static str = "caller-auth";
    type Config = Config;
    type Plugin = CallerAuthentication;

    fn build(config: Config, build: &Build<'_>) -> Result<CallerAuthentication, ConfigErrors> {
        CallerAuthentication::new(config, build)
    }
}
