//! Looks up, before a delivery, what the notification itself does not say: the environment of its resource, and the resource.
//!
//! Nothing is looked up for a tenant that asks for neither, and then nothing here can delay or lose an event. All calls of one
//! delivery together have one time limit.
//!
//! The two purposes fail differently. Without the resource the event is still worth delivering, so it goes without it and says
//! why. Without the environment the event is not sent: a sandbox result that a production portal takes for a real person's is
//! worse than a late one. It is kept, and tried again.

mod calls;
mod environment;
mod onfido;
mod subject;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kyc_model::{ConfigErrors, Environment, Environments, Event, TEST_EVENT_KIND, Tenant};
use kyc_onfido_client::AccessTokens;
use kyc_telemetry::{CounterFamily, MetricError, MetricsRegistry, names};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::config::DeliveryConfig;
use calls::Calls;
pub(crate) use onfido::{LookupError, Resources};
use subject::Subject;

/// Looks up resources at Onfido under the credential of the tenant.
#[derive(Clone)]
pub(crate) struct Lookup {
    resources: Arc<dyn Resources>,
    within: Duration,
    counted: CounterFamily<2>,
    withheld: CounterFamily<2>,
}

/// An event before its delivery.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// The portal gets it.
    Deliver(Event),
    /// The portal must not get it, because of this environment; `None`: Onfido has no resource that tells.
    Withhold(Option<Environment>),
    /// The environment cannot be told now.
    Unknown(LookupError),
}

// === impl Prepared ===

impl Prepared {
    /// Returns why nothing is sent; `None` if the portal gets the event.
    pub(crate) fn reason_not_to_send(&self) -> Option<String> {
        match self {
            Self::Deliver(_) => None,
            Self::Withhold(Some(environment)) => {
                Some(format!("the portal does not take results of the environment {}", environment.name()))
            }
            Self::Withhold(None) => Some("Onfido has no resource that tells the environment".to_owned()),
            Self::Unknown(error) => Some(format!("the environment cannot be looked up: {error}")),
        }
    }
}

// === impl Lookup ===

impl Lookup {
    /// Looks up at Onfido. Reads the certificate file, but opens no connection.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with the key `lookup.ca_file`, or with a metric that cannot be registered.
    pub(crate) fn at_onfido(
        config: &DeliveryConfig,
        metrics: &MetricsRegistry,
        tokens: AccessTokens,
    ) -> Result<Self, ConfigErrors> {
        let client = onfido::client(&config.lookup, tokens)?;
        Ok(Self::new(Arc::new(client), config.lookup_time(), metrics)?)
    }

    /// Looks up from `resources`. All calls for one delivery take `within` at most.
    pub(crate) fn new(
        resources: Arc<dyn Resources>,
        within: Duration,
        metrics: &MetricsRegistry,
    ) -> Result<Self, MetricError> {
        Ok(Self {
            resources,
            within,
            counted: metrics.counter(
                names::DELIVERY_LOOKUPS,
                "Look-ups of resources at Onfido for a delivery.",
                &["tenant", "result"],
            )?,
            withheld: metrics.counter(
                names::DELIVERY_WITHHELD,
                "Events that a portal did not get because of their environment.",
                &["tenant", "environment"],
            )?,
        })
    }

    /// Decides whether the tenant's portal gets an event, and adds the resource if the tenant asks for it.
    pub(crate) async fn prepare(&self, tenant: &Tenant, event: Event) -> Prepared {
        // A test event has no resource at Onfido.
        let is_test = event.action() == TEST_EVENT_KIND;
        if is_test || tenant.environments == Environments::All && !tenant.enrich {
            return Prepared::Deliver(event);
        }
        let subject = Subject::of(&event);
        let end = Instant::now() + self.within;
        let calls = Calls { resources: &*self.resources, counted: &self.counted, tenant, end };
        let path = subject.path();
        let is_needed = tenant.enrich || (tenant.environments != Environments::All && subject.needs_itself());
        let resource = match path.filter(|_| is_needed) {
            Some(path) => Some(calls.get(&path).await),
            None => None,
        };
        if tenant.environments != Environments::All {
            match environment::of(&subject, resource.as_ref(), &calls).await {
                Ok(None) => {}
                Ok(Some(environment)) if tenant.environments.admits(environment) => {}
                Ok(Some(environment)) => return self.withhold(tenant, Some(environment)),
                Err(error) if error.is_lasting() => return self.withhold(tenant, None),
                Err(error) => return Prepared::Unknown(error),
            }
        }
        match resource.filter(|_| tenant.enrich) {
            Some(resource) => Prepared::Deliver(enriched(event, &subject, resource)),
            None => Prepared::Deliver(event),
        }
    }

    fn withhold(&self, tenant: &Tenant, environment: Option<Environment>) -> Prepared {
        let label = environment.map_or("unknown", Environment::name);
        self.withheld.with(&[tenant.name.as_str(), label]).inc();
        Prepared::Withhold(environment)
    }
}

/// Adds the member `enrichment` beside `payload`: the resource, or why there is none. If Onfido sends a member of that name
/// itself, the event stays as it is.
fn enriched(event: Event, subject: &Subject, resource: Result<Bytes, LookupError>) -> Event {
    let kind = subject.resource_type().unwrap_or_default();
    let text = resource.and_then(|bytes| without_token(&bytes).ok_or(LookupError::Malformed));
    let value = match text {
        Ok(text) => format!(r#"{{"status":"found","resource_type":"{kind}","resource":{text}}}"#),
        Err(error) => format!(r#"{{"status":"{}","resource_type":"{kind}"}}"#, error.name()),
    };
    event.with_member(ENRICHMENT, &value).unwrap_or(event)
}

/// Returns the members of a resource, byte for byte, without the token of a workflow run: with it the applicant's browser acts at
/// Onfido, and a portal has no use for it after the run.
fn without_token(bytes: &[u8]) -> Option<String> {
    let mut members: std::collections::BTreeMap<&str, &RawValue> = serde_json::from_slice(bytes).ok()?;
    members.remove("sdk_token");
    serde_json::to_string(&members).ok()
}

/// The member of a delivered event beside `payload`.
const ENRICHMENT: &str = "enrichment";

#[cfg(test)]
mod tests;
