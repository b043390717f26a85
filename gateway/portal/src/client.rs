//! The client of FintechOS portals: logs in, delivers an event, and classifies the response.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::ACCEPT;
use kyc_http_client::{Cleartext, ClientSettings, Trust};
use kyc_model::{ConfigError, ConfigErrors, Dialect, Event, Portal, Tenant, TraceContext};
use kyc_telemetry::traces::Span;
use kyc_telemetry::{HistogramFamily, MetricsRegistry, names};
use reqwest::{Client, RequestBuilder};
use tokio::time::{Instant, timeout_at};

use crate::address_policy::AddressPolicy;
use crate::config::{DataForm, PortalConfig};
use crate::dialects::{keycloak, legacy};
use crate::endpoint::endpoint;
use crate::error::{DeliveryError, Step};
use crate::responses::delivery::{self, PortalResponse};
use crate::session::{LoginReuse, Session, SessionCredential, Sessions};
use crate::spans::describe;

/// A client for all portals; the tenant of each call selects the portal and the account.
pub struct PortalClient {
    client: Client,
    addresses: AddressPolicy,
    cleartext: Cleartext,
    data: DataForm,
    sessions: Sessions,
    durations: HistogramFamily<1>,
}

// === impl PortalClient ===

impl PortalClient {
    /// Creates the client. Reads the certificate file, but opens no connection.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with the key `ca_file` when the file has no usable certificate, or with a metric that cannot be
    /// registered.
    pub fn new(config: &PortalConfig, metrics: &MetricsRegistry) -> Result<Self, ConfigErrors> {
        let addresses = AddressPolicy::new(&config.allow);
        let trust = Trust::system_and(config.ca_file.as_deref());
        // The settings have no total timeout: each delivery has its own deadline.
        let settings = ClientSettings {
            resolver: Some(Arc::new(addresses.clone())),
            ..ClientSettings::new(config.connect, trust)
        };
        let client = settings.build().map_err(|error| ConfigError::at("ca_file", error.to_string()))?;
        Ok(Self {
            sessions: Sessions::new(client.clone(), config.login_lifetime, metrics)?,
            client,
            addresses,
            cleartext: Cleartext::from_setting(config.allow_http),
            data: config.data,
            durations: metrics.histogram(
                names::WEBHOOK_DELIVERY_DURATION,
                "Duration of a delivery, login included.",
                &["dialect"],
                &SECONDS,
            )?,
        })
    }

    /// Delivers one event to the tenant's portal, with `headers`. `Ok` means that the portal has accepted the event.
    ///
    /// Logs in when there is no session, and once more when the portal says that the session has ended; then it sends the
    /// event again. It never repeats the event for another reason: the dispatcher decides about retries.
    ///
    /// # Errors
    ///
    /// [`DeliveryError`] when the portal has not accepted the event before `deadline`. After a lost connection or a timeout
    /// the portal may have accepted it.
    pub async fn deliver(
        &self,
        tenant: &Tenant,
        event: &Event,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<(), DeliveryError> {
        self.deliver_recording_response(tenant, event, headers, deadline, &mut None).await
    }

    /// Delivers one event as [`PortalClient::deliver`] does, and stores the portal's response in `recorded`, also when the
    /// delivery fails.
    ///
    /// # Errors
    ///
    /// As [`PortalClient::deliver`].
    pub async fn deliver_recording_response(
        &self,
        tenant: &Tenant,
        event: &Event,
        headers: &HeaderMap,
        deadline: Instant,
        recorded: &mut Option<PortalResponse>,
    ) -> Result<(), DeliveryError> {
        let started = Instant::now();
        let mut span = Span::client("delivery", || TraceContext::from_headers(headers));
        let headers = &with_parent_span(headers, &span);
        let delivered = match timeout_at(deadline, self.attempt(tenant, event, headers, recorded)).await {
            Ok(delivered) => delivered,
            // A refusal by status is final, even if its body did not arrive in time.
            Err(_) => {
                let refusal = recorded.as_ref().and_then(|response| response.refusal.clone());
                Err(refusal.unwrap_or(DeliveryError::Deadline))
            }
        };
        let dialect = match tenant.portal.dialect {
            Dialect::Legacy => "legacy",
            Dialect::Keycloak => "keycloak",
        };
        describe(&mut span, tenant);
        span.set("dialect", dialect);
        if let Some(response) = recorded {
            span.set("http.response.status_code", i64::from(response.status));
        }
        if let Err(error) = &delivered {
            span.fail(error.class().name());
        }
        self.durations.with(&[dialect]).observe(started.elapsed().as_secs_f64());
        delivered
    }

    /// Logs in, to probe whether the portal is available and accepts the account. The next delivery uses the session.
    ///
    /// # Errors
    ///
    /// As [`PortalClient::deliver`].
    pub async fn log_in(&self, tenant: &Tenant, deadline: Instant) -> Result<(), DeliveryError> {
        self.check_address(tenant)?;
        timeout_at(deadline, self.sessions.renew(tenant)).await.unwrap_or(Err(DeliveryError::Deadline))
    }

    /// Checks that the portal is available and accepts the account, with as few logins as `reuse` permits. The next delivery uses
    /// the session of a new login.
    ///
    /// # Errors
    ///
    /// As [`PortalClient::deliver`].
    pub async fn check_login(
        &self,
        tenant: &Tenant,
        reuse: LoginReuse,
        deadline: Instant,
    ) -> Result<(), DeliveryError> {
        self.check_address(tenant)?;
        timeout_at(deadline, self.sessions.check(tenant, reuse)).await.unwrap_or(Err(DeliveryError::Deadline))
    }

    fn check_address(&self, tenant: &Tenant) -> Result<(), DeliveryError> {
        let url = &tenant.portal.url;
        self.addresses.check(url).map_err(|refused| DeliveryError::transport(Step::Login, refused))?;
        self.cleartext.check(url).map_err(|exposed| DeliveryError::transport(Step::Login, exposed))
    }

    async fn attempt(
        &self,
        tenant: &Tenant,
        event: &Event,
        headers: &HeaderMap,
        recorded: &mut Option<PortalResponse>,
    ) -> Result<(), DeliveryError> {
        // Before the login, because that already sends the password.
        self.check_address(tenant)?;
        let session = self.sessions.session(tenant, headers).await?;
        match self.send(tenant, event, headers, &session, recorded).await {
            Err(error) if error.ends_session() => {}
            done => return done,
        }
        self.sessions.forget(tenant, &session).await;
        // If the second request gets no response, the first one's must not be kept as the response to this delivery.
        *recorded = None;
        let session = self.sessions.session(tenant, headers).await?;
        self.send(tenant, event, headers, &session, recorded).await
    }

    async fn send(
        &self,
        tenant: &Tenant,
        event: &Event,
        headers: &HeaderMap,
        session: &Session,
        recorded: &mut Option<PortalResponse>,
    ) -> Result<(), DeliveryError> {
        // By the current document, also for an event that was stored under an older one.
        let (portal, action) = (&tenant.portal, tenant.action(event.action()));
        let request = match &session.credential {
            SessionCredential::Token(token) => legacy::delivery(
                self.post(portal, legacy::DELIVERY, headers),
                action,
                token,
                event,
                self.data,
            ),
            SessionCredential::Bearer(credential) => keycloak::delivery(
                self.post(portal, &keycloak::delivery_path(action), headers),
                credential,
                event,
            ),
        };
        let response =
            request.send().await.map_err(|error| DeliveryError::transport(Step::Delivery, error))?;
        delivery::classify(response, recorded).await
    }

    fn post(&self, portal: &Portal, path: &[&str], headers: &HeaderMap) -> RequestBuilder {
        self.client.post(endpoint(portal, path)).headers(headers.clone()).header(ACCEPT, "application/json")
    }
}

impl fmt::Debug for PortalClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalClient").finish_non_exhaustive()
    }
}

/// Returns the headers with this span as the parent of the trace.
fn with_parent_span(headers: &HeaderMap, span: &Span) -> HeaderMap {
    let mut headers = headers.clone();
    if let Some(trace) = span.context() {
        trace.write_to(&mut headers);
    }
    headers
}

/// Histogram buckets in seconds.
const SECONDS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[cfg(test)]
mod tests;
