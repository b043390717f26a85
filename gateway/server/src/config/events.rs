//! The sections `[events]`, `[delivery]` and `[portal]`: one store for the gateway, from which one dispatcher delivers.

use std::sync::Arc;

use kyc_delivery::{Delivery, DeliveryConfig, Direct, Mode};
use kyc_events::{EventStore, EventsConfig, Intake};
use kyc_model::ConfigErrors;
use kyc_portal::{PortalConfig, Portals};

use super::folder::Folder;
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;

/// Builds the store and what delivers from it, and offers to take notifications. `None` where nothing is stored.
pub(crate) fn offer(
    (events, delivery, portal): (&EventsConfig, DeliveryConfig, PortalConfig),
    folder: &Folder,
    build_context: &BuildContext,
    problems: &mut Problems,
) -> Option<Arc<Delivery>> {
    let BuildContext { metrics, services, warnings, .. } = build_context;
    let metrics = metrics.registry();
    let portals = portals(portal, folder, metrics).map_err(|errors| problems.add_all("portal", &errors)).ok();
    let mode = delivery.mode;
    let checked = delivery.check().map_err(|errors| problems.add_all("delivery", &errors)).ok();
    let mut found = Vec::new();
    let store = EventStore::new(events, folder.path(), delivery.lease(), metrics, &mut found)
        .map_err(|errors| problems.add_all("events", &errors))
        .ok();
    let (portals, store, ()) = (portals?, store?, checked?);
    match mode {
        Mode::Direct => {
            services.offer::<dyn Intake>(Arc::new(Direct::new(portals)));
            None
        }
        Mode::Stored => {
            found.into_iter().for_each(|warning| warnings.add(warning));
            let store = Arc::new(store);
            services.offer::<dyn Intake>(Arc::<EventStore>::clone(&store));
            Delivery::new(store, portals, delivery, metrics)
                .map_err(|errors| problems.add_all("delivery", &errors))
                .ok()
                .map(Arc::new)
        }
    }
}

fn portals(
    portal: PortalConfig,
    folder: &Folder,
    metrics: &kyc_telemetry::MetricsRegistry,
) -> Result<Arc<Portals>, ConfigErrors> {
    portal.check()?;
    let ca_file = portal.ca_file.as_ref().map(|file| folder.resolve(file));
    Ok(Arc::new(Portals::new(&PortalConfig { ca_file, ..portal }, metrics)?))
}
