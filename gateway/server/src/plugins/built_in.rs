//! The list of built-in plugins.
//!
//! Plugins are registered in one explicit list, so that the reader sees all of them; there is no registration before `main`.

use http::HeaderName;
use kyc_admin::{INTENT, REASON};
use kyc_plugin_caller_auth::{CallerAuth, SECRET_HEADER};
use kyc_plugin_onfido::Onfido;
use kyc_plugin_rate_limit::RateLimit;
use kyc_plugin_subscription::Subscription;
use kyc_plugin_webhook::Webhook;

use crate::plugins::registry::Registry;

/// Returns a registry with every built-in kind of plugin.
pub(crate) fn built_in() -> Registry {
    let mut registry = Registry::default();
    registry.add::<CallerAuth>();
    registry.add::<Subscription>();
    registry.add::<RateLimit>();
    registry.add::<Onfido>();
    registry.add::<Webhook>();
    registry
}

/// The headers of these plugins and of the admin API that no upstream gets, and those that `plugins` declare.
pub(crate) fn private_headers(plugins: &[HeaderName]) -> Vec<HeaderName> {
    let mut headers = vec![SECRET_HEADER, INTENT, REASON];
    headers.extend_from_slice(plugins);
    headers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    headers.dedup();
    headers
}
