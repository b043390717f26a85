//! The sections `[events]`, `[delivery]` and `[portal]`: one event store for the gateway, and one dispatcher that delivers from it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_delivery::{Delivery, DeliveryConfig, Direct, Mode};
use kyc_events::{Accepted, EventStore, EventsConfig, Intake, Ledger, Notification};
use kyc_model::{ConfigErrors, Problem, ProblemKind};
use kyc_onfido_client::AccessTokens;
use kyc_portal::{PortalClient, PortalConfig};
use kyc_reconciliation::Wanted;
use kyc_telemetry::MetricsRegistry;
use tokio::time::Instant;

use super::folder::Folder;
use super::ledger::LedgerOfStore;
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;

/// The delivery of stored events.
pub(crate) struct Stored {
    pub(crate) delivery: Arc<Delivery>,
    ledger: Arc<LedgerOfStore>,
    /// Warnings about the store, which matter only if a route uses it.
    pub(crate) warnings: Vec<String>,
}

/// What the three sections are built into.
#[derive(Default)]
pub(crate) struct Built {
    /// The client of portals; `None` if its settings are wrong.
    pub(crate) portals: Option<Arc<PortalClient>>,
    /// `None` if `delivery.mode` is `"direct"` or a setting is wrong.
    pub(crate) stored: Option<Stored>,
}

/// Builds the event store and its delivery, and offers plugins the services [`Intake`] and [`Ledger`]. The result of a started check
/// is overdue after `overdue`; `wanted` says whose results the tenants take.
pub(crate) fn offer(
    (events, delivery, portal): (&EventsConfig, DeliveryConfig, PortalConfig),
    (overdue, wanted): (Duration, Wanted),
    folder: &Folder,
    build_context: &BuildContext,
    problems: &mut Problems,
) -> Built {
    let delivery = with_resolved_ca_file(delivery, folder);
    let (services, metrics) = (&build_context.services, build_context.metrics.registry());
    // Plugins that need the service find it even if these settings are wrong, so that the problem is reported only once.
    services.offer::<dyn Intake>(Arc::new(NotConfigured));
    let portals = portals(portal, folder, metrics).map_err(|errors| problems.add_all("portal", &errors)).ok();
    let checked = delivery.check().map_err(|errors| problems.add_all("delivery", &errors)).ok();
    let store = store(events, &delivery, folder.path(), metrics)
        .map_err(|errors| problems.add_all("events", &errors))
        .ok();
    // If it is missing, its own problem is reported already.
    let tokens = services.get::<AccessTokens>().ok().map(|tokens| AccessTokens::clone(&tokens));
    let (Some(client), Some(store), Some(()), Some(tokens)) = (&portals, store, checked, tokens) else {
        return Built { portals, stored: None };
    };
    let client = Arc::clone(client);
    let Some((store, warnings)) = store else {
        match Direct::new(client, &delivery, metrics, tokens) {
            Ok(direct) => services.offer::<dyn Intake>(Arc::new(direct)),
            Err(errors) => problems.add_all("delivery", &errors),
        }
        return Built { portals, stored: None };
    };
    services.offer::<dyn Intake>(Arc::<EventStore>::clone(&store));
    let ledger = Arc::new(LedgerOfStore::new(Arc::clone(&store), overdue, wanted));
    services.offer::<dyn Ledger>(Arc::<LedgerOfStore>::clone(&ledger));
    let delivery = Delivery::new(store, client, delivery, metrics, tokens);
    let delivery = delivery.map_err(|errors| problems.add_all("delivery", &errors)).ok();
    let stored = delivery.map(|delivery| Stored { delivery: Arc::new(delivery), ledger, warnings });
    Built { portals, stored }
}

/// Returns the delivery if a plugin uses the service [`Intake`] or asks for [`Ledger`]. Otherwise the store is not opened, and its
/// warnings are dropped.
pub(crate) fn used(stored: Option<Stored>, build_context: &BuildContext) -> Option<Arc<Delivery>> {
    let services = &build_context.services;
    let is_used = services.is_taken::<dyn Intake>() || services.is_taken::<dyn Ledger>();
    let stored = stored.filter(|_| is_used)?;
    stored.ledger.use_store();
    stored.warnings.into_iter().for_each(|warning| build_context.warnings.add(warning));
    Some(stored.delivery)
}

type StoreWithWarnings = (Arc<EventStore>, Vec<String>);

/// Builds the store; `None` if `delivery.mode` is `"direct"`.
fn store(
    events: &EventsConfig,
    delivery: &DeliveryConfig,
    folder: &Path,
    metrics: &MetricsRegistry,
) -> Result<Option<StoreWithWarnings>, ConfigErrors> {
    events.check()?;
    if delivery.mode == Mode::Direct {
        return Ok(None);
    }
    let mut warnings = Vec::new();
    let store = EventStore::new(events, folder, delivery.lease(), metrics, &mut warnings)?;
    Ok(Some((Arc::new(store), warnings)))
}

/// Resolves the path of the certificate authorities for look-ups, which is relative to the configuration.
fn with_resolved_ca_file(mut delivery: DeliveryConfig, folder: &Folder) -> DeliveryConfig {
    delivery.lookup.ca_file = delivery.lookup.ca_file.map(|file| folder.resolve(&file));
    delivery
}

fn portals(
    portal: PortalConfig,
    folder: &Folder,
    metrics: &MetricsRegistry,
) -> Result<Arc<PortalClient>, ConfigErrors> {
    portal.check()?;
    let ca_file = portal.ca_file.as_ref().map(|file| folder.resolve(file));
    Ok(Arc::new(PortalClient::new(&PortalConfig { ca_file, ..portal }, metrics)?))
}

/// The intake of a configuration whose event settings are wrong. It is never called, because that configuration is refused.
struct NotConfigured;

#[async_trait]
impl Intake for NotConfigured {
    async fn accept(&self, _: Notification<'_>, _: Instant) -> Result<Accepted, Problem> {
        Err(Problem::new(ProblemKind::Unavailable, "the settings of the event store are wrong"))
    }
}
