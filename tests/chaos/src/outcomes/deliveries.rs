//! What the portals have taken.

use std::collections::HashMap;
use std::time::SystemTime;

use http::HeaderMap;
use kyc_sandbox::portal::{Delivery, Portal};

use super::upstream::report_of;
use crate::notification::tenant_of;

/// An event that a portal has taken.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) at: SystemTime,
    /// The tenant of the portal, if the event came under its login.
    pub(super) tenant: Option<usize>,
    /// The gateway's id of the event.
    pub(super) event: String,
    /// Whether a look-up has found it.
    pub(super) is_found: bool,
}

/// All deliveries so far, by report.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    pub(super) by_report: HashMap<String, Vec<Taken>>,
    /// How many of each portal's deliveries were read.
    read: Vec<usize>,
}

// === impl Deliveries ===

impl Deliveries {
    /// Reads what the portals have taken since the last time. Returns the reports that a look-up has found.
    pub(super) fn read(&mut self, portals: &[Portal]) -> Vec<String> {
        self.read.resize(portals.len(), 0);
        let mut found = Vec::new();
        for (tenant, (portal, read)) in portals.iter().zip(&mut self.read).enumerate() {
            let taken: Vec<Delivery> =
                portal.deliveries().inspect(|all| all.get(*read..).unwrap_or_default().to_vec());
            *read += taken.len();
            for delivery in taken {
                let report = report_of(&delivery.event).unwrap_or_default();
                let taken = Taken::of(&delivery, tenant);
                if taken.is_found {
                    found.push(report.clone());
                }
                self.by_report.entry(report).or_default().push(taken);
            }
        }
        found
    }
}

// === impl Taken ===

impl Taken {
    fn of(delivery: &Delivery, tenant: usize) -> Self {
        Self {
            at: delivery.at,
            tenant: (tenant_of(&delivery.tenant) == Some(tenant)).then_some(tenant),
            event: text(&delivery.headers, "x-event-id").to_owned(),
            is_found: text(&delivery.headers, "x-event-source") == "reconciliation",
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
