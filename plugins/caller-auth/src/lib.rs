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
//! Whoever reaches the gateway past Azure API Management can name any tenant. A secret header that
//! API Management's policy sets, the addresses it calls from, a client certificate that it shows, and a token of
//! Microsoft Entra or another OpenID Connect provider close that door. At least one of these is needed; where several are
//! given, all must hold, or with `require = "any"` one of them. Put it first in the route's list.
//!
//! What is checked and holds is recorded as the caller's names: the subject and alternative names of its certificate,
//! `sub`, `azp`, `appid` and `client_id` of its token, the name of its secret. The plugin that finds the tenant asks for
//! them, and the access line shows them. A network names nobody.

mod certificates;
mod config;
mod plugin;
mod secrets;
mod work;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::{Config, Require, SECRET_HEADER, SecretConfig};
pub use kyc_tokens::{TokenConfig, TokenKind};
pub use plugin::Gatekeeper;

/// The factory of this kind.
#[derive(Debug)]
pub struct CallerAuth;

impl Factory for CallerAuth {
    const KIND: &'static str = "caller-auth";
    type Config = Config;
    type Plugin = Gatekeeper;

    fn build(config: Config, build: &Build<'_>) -> Result<Gatekeeper, ConfigErrors> {
        Gatekeeper::new(config, build)
    }
}
