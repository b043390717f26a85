//! THE list of plugins that the gateway comes with.

use kyc_plugin_caller_auth::CallerAuth;
use kyc_plugin_onfido::Onfido;
use kyc_plugin_rate_limit::RateLimit;
use kyc_plugin_subscription::Subscription;
use kyc_plugin_webhook::Webhook;

use crate::plugins::registry::Registry;

/// Every built-in kind.
pub(crate) fn built_in() -> Registry {
    let mut registry = Registry::default();
    registry.add::<CallerAuth>();
    registry.add::<Subscription>();
    registry.add::<RateLimit>();
    registry.add::<Onfido>();
    registry.add::<Webhook>();
    registry
}
