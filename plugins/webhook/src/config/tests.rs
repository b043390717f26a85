//! Parsing and checking of the settings.

use std::sync::Arc;
use std::time::Duration;

use kyc_delivery::{DeliveryConfig, Direct};
use kyc_events::Intake;
use kyc_http_client::{Cleartext, ClientSettings, Trust};
use kyc_onfido_client::AccessTokens;
use kyc_plugin_api::testkit::{self, build_with, contract_with, with_services};
use kyc_plugin_api::{Build, Factory, MetricsRegistry, Services};
use kyc_portal::{PortalClient, PortalConfig};

use crate::{Notifications, Webhook};

/// The services of the gateway, with an intake that delivers directly.
pub(crate) fn services() -> Services {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let portals = PortalClient::new(&PortalConfig::default(), &MetricsRegistry::default()).unwrap();
    let direct = Direct::new(
        Arc::new(portals),
        &DeliveryConfig::default(),
        &MetricsRegistry::default(),
        access_tokens(),
    )
    .unwrap();
    let services = testkit::services();
    services.offer(Arc::new(access_tokens()));
    services.offer::<dyn Intake>(Arc::new(direct));
    services
}

/// Access tokens that cannot be fetched.
pub(crate) fn access_tokens() -> AccessTokens {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = ClientSettings::new(Duration::from_secs(1), Trust::Nobody);
    AccessTokens::new(settings, Cleartext::Local, ()).unwrap()
}

fn refused(settings: &str) -> String {
    build_with::<Webhook>(settings, &services()).map(|_: Notifications| ()).unwrap_err().to_string()
}

#[test]
fn webhook_passes_the_plugin_contract() {
    contract_with::<Webhook>("", &services());
    contract_with::<Webhook>(
        "signature = \"off\"\nallow_unsigned = true\nevents = [\"*\"]\nmax_body = \"64KiB\"\n\
         deadline = \"2500ms\"\nonfido = { connect = \"1s\" }",
        &services(),
    );
}

#[test]
fn signature_off_needs_allow_unsigned() {
    let refused = refused("signature = \"off\"");

    assert!(refused.starts_with("signature: "), "{refused}");
}

#[test]
fn all_problems_are_reported_together() {
    let refused = refused("events = []\nmax_body = 0\ndeadline = \"10s\"\nonfido = { connect = \"0s\" }");

    for key in ["events: ", "max_body: ", "deadline: ", "onfido.connect: "] {
        assert!(refused.contains(key), "{key} is missing in {refused}");
    }
}

#[test]
fn route_without_an_intake_service_is_refused() {
    let services = testkit::services();
    services.offer(Arc::new(access_tokens()));
    let refused = build_with::<Webhook>("", &services).map(|_: Notifications| ()).unwrap_err();

    assert!(refused.to_string().contains("Intake"), "{refused}");
}

#[test]
fn error_names_the_unreadable_certificate_file() {
    let refused = refused("onfido = { ca_file = \"/no/such.pem\" }");

    assert!(refused.starts_with("onfido.ca_file: cannot read /no/such.pem: "), "{refused}");
}

#[test]
fn relative_certificate_path_starts_at_the_folder_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();

    let config = toml::from_str("onfido.ca_file = \"ca.pem\"").unwrap();
    let built = with_services(&services(), |build| {
        Webhook::build(config, &Build { folder: folder.path(), ..*build })
    });

    let expected = format!("onfido.ca_file: {} contains no PEM certificate", file.display());
    assert_eq!(built.err().unwrap().to_string(), expected);
}
