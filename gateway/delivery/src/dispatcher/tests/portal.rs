//! A client that does what a test needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::HeaderMap;
use kyc_model::{Event, Tenant};
use kyc_portal::{DeliveryError, PortalResponse};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::context::Client;

/// Accepts one event per permit, rejects events whose resource contains `refused`, and panics at those with `panic`.
pub(super) struct Portal {
    taken: Mutex<Vec<String>>,
    pub(super) gate: Semaphore,
    /// The attempts in flight of each tenant, and their maximum so far.
    pub(super) under_way: Mutex<HashMap<String, (usize, usize)>>,
}

impl Portal {
    pub(super) fn new(permits: usize) -> Arc<Self> {
        let gate = Semaphore::new(permits);
        Arc::new(Self { taken: Mutex::default(), gate, under_way: Mutex::default() })
    }

    pub(super) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

#[async_trait]
impl Client for Portal {
    async fn deliver(
        &self,
        tenant: &Tenant,
        event: &Event,
        _: &HeaderMap,
        _: Instant,
        _: &mut Option<PortalResponse>,
    ) -> Result<(), DeliveryError> {
        let name = tenant.name.as_str().to_owned();
        let count = |change: isize| {
            let mut under_way = self.under_way.lock().unwrap();
            let (now, most) = under_way.entry(name.clone()).or_default();
            *now = now.strict_add_signed(change);
            *most = (*most).max(*now);
        };
        count(1);
        let _permit = self.gate.acquire().await.unwrap();
        count(-1);
        let resource = event.resource().unwrap_or_default().to_owned();
        assert!(!resource.contains("panic"), "a mistake of the client's");
        if resource.starts_with("refused") {
            return Err(DeliveryError::Status(503));
        }
        self.taken.lock().unwrap().push(resource);
        Ok(())
    }

    async fn log_in(&self, _: &Tenant, _: Instant) -> Result<(), DeliveryError> {
        Ok(())
    }
}
