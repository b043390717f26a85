//! The sections `[events]`, `[delivery]` and `[portal]`: one store for the gateway, from which one dispatcher delivers.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use kyc_delivery::{Delivery, DeliveryConfig, Direct, Mode};
use kyc_events::{Accepted, EventStore, EventsConfig, Intake, Notification};
use kyc_model::{ConfigErrors, Problem, ProblemKind};
use kyc_portal::{PortalConfig, Portals};
use kyc_telemetry::MetricsRegistry;
use tokio::time::Instant;

use super::folder::Folder;
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;

/// What delivers stored events.
pub(crate) struct Stored {
    pub(crate) delivery: Arc<Delivery>,
    /// What an operator should know of the store, if a route uses it.
    pub(crate) warnings: Vec<String>,
}

/// Builds the store and what delivers from it, and offers to take notifications. `None` where nothing is stored.
pub(crate) fn offer(
    (events, delivery, portal): (&EventsConfig, DeliveryConfig, PortalConfig),
    folder: &Folder,
    build_context: &BuildContext,
    problems: &mut Problems,
) -> Option<Stored> {
    let (services, metrics) = (&build_context.services, build_context.metrics.registry());
    // Whatever is wrong here is reported once, and not again by each plugin that needs the service.
    services.offer::<dyn Intake>(Arc::new(NotConfigured));
    let portals = portals(portal, folder, metrics).map_err(|errors| problems.add_all("portal", &errors)).ok();
    let checked = delivery.check().map_err(|errors| problems.add_all("delivery", &errors)).ok();
    let store = store(events, &delivery, folder.path(), metrics)
        .map_err(|errors| problems.add_all("events", &errors))
        .ok();
    let (portals, store, ()) = (portals?, store?, checked?);
    let Some((store, warnings)) = store else {
        services.offer::<dyn Intake>(Arc::new(Direct::new(portals)));
        return None;
    };
    services.offer::<dyn Intake>(Arc::<EventStore>::clone(&store));
    let delivery = Delivery::new(store, portals, delivery, metrics)
        .map_err(|errors| problems.add_all("delivery", &errors))
        .ok()?;
    Some(Stored { delivery: Arc::new(delivery), warnings })
}

/// What delivers, if a plugin takes notifications; else nothing is opened, and nobody need know of the store.
pub(crate) fn used(stored: Option<Stored>, build_context: &BuildContext) -> Option<Arc<Delivery>> {
    let stored = stored.filter(|_| build_context.services.is_taken::<dyn Intake>())?;
    stored.warnings.into_iter().for_each(|warning| build_context.warnings.add(warning));
    Some(stored.delivery)
}

type StoreWithWarnings = (Arc<EventStore>, Vec<String>);

/// The store, where notifications are stored.
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

fn portals(
    portal: PortalConfig,
    folder: &Folder,
    metrics: &MetricsRegistry,
) -> Result<Arc<Portals>, ConfigErrors> {
    portal.check()?;
    let ca_file = portal.ca_file.as_ref().map(|file| folder.resolve(file));
    Ok(Arc::new(Portals::new(&PortalConfig { ca_file, ..portal }, metrics)?))
}

/// In place of an intake whose settings are wrong; such a configuration is refused.
struct NotConfigured;

#[async_trait]
impl Intake for NotConfigured {
    async fn take(&self, _: Notification<'_>, _: Instant) -> Result<Accepted, Problem> {
        Err(Problem::new(ProblemKind::Unavailable, "the settings of the event store are wrong"))
    }
}
