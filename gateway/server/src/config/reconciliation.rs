//! The section `[reconciliation]`: look-ups of results that were never notified.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kyc_delivery::Delivery;
use kyc_doctor::NotificationRoute;
use kyc_http_client::{Cleartext, ClientSettings, Trust};
use kyc_model::ConfigErrors;
use kyc_onfido_client::{AccessTokens, CallLimits, OnfidoClient};
use kyc_plugin_api::TenantSnapshots;
use kyc_reconciliation::{Reconciliation, ReconciliationConfig, Wanted};

use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;

/// Checks the section, and builds the reconciliation; `None` if something is wrong, it is off, or no events are stored.
pub(super) fn build(
    (config, wanted): (&ReconciliationConfig, Wanted),
    (ca_file, cleartext): (Option<&Path>, Cleartext),
    delivery: Option<&Arc<Delivery>>,
    build_context: &BuildContext,
    problems: &mut Problems,
) -> Option<Reconciliation> {
    config.check().map_err(|errors| problems.add_all("reconciliation", &errors)).ok()?;
    let store = Arc::clone(delivery.filter(|_| config.enabled)?.store());
    if store.retention().ledger < config.give_up {
        problems.add(
            "events.keep_ledger",
            "must not be shorter than reconciliation.give_up: open entries would be deleted unseen",
        );
    }
    // If it is missing, its own problem is reported already.
    let tokens = AccessTokens::clone(&*build_context.services.get::<AccessTokens>().ok()?);
    let settings = ClientSettings::new(CONNECT, Trust::system_and(ca_file));
    let limits = CallLimits { time: config.timeout, body: MAX_RESOURCE };
    let onfido = OnfidoClient::new(settings, cleartext, limits, tokens);
    let onfido = onfido.map_err(|error| problems.add("server.upstream_ca_file", error.to_string())).ok()?;
    let current = build_context.tenants.clone();
    let tenants = TenantSnapshots::new(move || current.load());
    let metrics = build_context.metrics.registry();
    Reconciliation::new(config.clone(), wanted, (store, onfido), tenants, metrics)
        .map_err(|error| problems.add_all("reconciliation", &ConfigErrors::from(error)))
        .ok()
}

/// Returns which results the routes take.
pub(super) fn wanted(routes: &[NotificationRoute]) -> Wanted {
    Wanted::new(routes.iter().flat_map(|route| route.events.iter().cloned()).collect())
}

/// The time limit for the TCP connection and the TLS handshake together.
const CONNECT: Duration = Duration::from_secs(3);
/// The largest resource, in bytes. A workflow run with many tasks has some hundred KiB.
const MAX_RESOURCE: usize = 1024 * 1024;
