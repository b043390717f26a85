//! Builds the plugin for tests.

use std::sync::Arc;
use std::time::Duration;

use kyc_http_client::{Cleartext, ClientSettings, Trust};
use kyc_onfido_client::AccessTokens;
use kyc_plugin_api::{ConfigErrors, Services, testkit};

use crate::{Onfido, OnfidoApi};

/// Decodes `settings` and builds the plugin with the services of the gateway.
pub(crate) fn build(settings: &str) -> Result<OnfidoApi, ConfigErrors> {
    testkit::build_with::<Onfido>(settings, &services())
}

/// The services of the gateway, among them access tokens that cannot be fetched.
pub(crate) fn services() -> Services {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = ClientSettings::new(Duration::from_secs(1), Trust::Nobody);
    let services = testkit::services();
    services.offer(Arc::new(AccessTokens::new(settings, Cleartext::Local, ()).unwrap()));
    services
}
