//! Logins at portals: at most one at a time per tenant, used until shortly before it expires.
//!
//! FintechOS recommends to use a token until it expires before requesting a new one (API reference, "GetToken"). Concurrent
//! deliveries of a tenant therefore share one login. They also share its failure: otherwise each of them would try a wrong
//! password, and the directory would lock the account.

use std::sync::Arc;
use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use kyc_http_client::read_at_most;
use kyc_model::{Dialect, Secret, Tenant, TraceContext};
use kyc_resilience::{PAUSE, SingleFlight};
use kyc_telemetry::traces::Span;
use kyc_telemetry::{CounterFamily, MetricError, MetricsRegistry, names};
use reqwest::Client;
use tokio::time::Instant;
use tracing::warn;

use crate::dialects::{keycloak, legacy};
use crate::endpoint::endpoint;
use crate::error::{DeliveryClass, DeliveryError, Step};
use crate::responses::MAX_RESPONSE_BYTES;
use crate::responses::login::LoginResponse;
use crate::spans::describe;

/// The sessions of all tenants.
#[derive(Debug)]
pub(crate) struct Sessions {
    client: Client,
    login_lifetime: Duration,
    sessions: SingleFlight<Session, DeliveryError>,
    logins: CounterFamily<2>,
}

/// How long the results of earlier logins count for a check of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginReuse {
    /// A login that worked is not repeated for this long.
    pub success: Duration,
    /// The same account and password are not sent again for this long after the portal refused them, so that no directory locks
    /// the account.
    pub refusal: Duration,
}

/// The result of one login.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) credential: SessionCredential,
    opened_at: Instant,
    expires_at: Instant,
}

/// The token of a session, in the form in which the dialect sends it.
#[derive(Debug)]
pub(crate) enum SessionCredential {
    /// Legacy: a token in the body of the request.
    Token(Secret),
    /// Keycloak: the value of `Authorization`, marked as sensitive.
    Bearer(HeaderValue),
}

// === impl Sessions ===

impl Sessions {
    pub(crate) fn new(
        client: Client,
        login_lifetime: Duration,
        metrics: &MetricsRegistry,
    ) -> Result<Self, MetricError> {
        let logins =
            metrics.counter(names::PORTAL_LOGINS, "Logins at portals by result.", &["tenant", "result"])?;
        Ok(Self { client, login_lifetime, sessions: SingleFlight::new(), logins })
    }

    /// Returns the tenant's session. Logs in when there is none or it is about to expire; the login belongs to the trace in
    /// `headers`.
    ///
    /// A login is cancelled together with the delivery that started it: that delivery's deadline bounds it, and after a
    /// shutdown has aborted the deliveries nothing more is sent.
    ///
    /// # Errors
    ///
    /// [`DeliveryError`] of the login. All deliveries of the tenant get the same error for one second, so that they do not
    /// repeat the login one after the other.
    pub(crate) async fn session(
        &self,
        tenant: &Tenant,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, DeliveryError> {
        self.sessions.value(tenant, Session::is_usable, self.login(tenant, headers)).await
    }

    /// Logs in and replaces the session, even if that is still usable or a login has just failed.
    ///
    /// # Errors
    ///
    /// [`DeliveryError`] of the login.
    pub(crate) async fn renew(&self, tenant: &Tenant) -> Result<(), DeliveryError> {
        self.sessions.value_anew(tenant, self.login(tenant, &HeaderMap::new())).await.map(drop)
    }

    /// Checks that the portal accepts the account. Logs in unless `reuse` permits the result of an earlier login, whoever made
    /// it.
    ///
    /// # Errors
    ///
    /// [`DeliveryError`] of the login, or of an earlier one.
    pub(crate) async fn check(&self, tenant: &Tenant, reuse: LoginReuse) -> Result<(), DeliveryError> {
        let is_recent =
            |session: &Session| session.is_usable() && session.opened_at.elapsed() < reuse.success;
        let pause = |error: &DeliveryError| match error.class() {
            DeliveryClass::Login => reuse.refusal,
            DeliveryClass::Transient
            | DeliveryClass::Session
            | DeliveryClass::Endpoint
            | DeliveryClass::Event
            | DeliveryClass::Refused => PAUSE,
        };
        let headers = HeaderMap::new();
        let login = self.login(tenant, &headers);
        self.sessions.value_with_pause(tenant, is_recent, pause, login).await.map(drop)
    }

    /// Drops a session that the portal no longer accepts, unless it was already replaced.
    pub(crate) async fn forget(&self, tenant: &Tenant, session: &Arc<Session>) {
        self.sessions.forget(tenant, session).await;
    }

    async fn login(&self, tenant: &Tenant, headers: &HeaderMap) -> Result<Session, DeliveryError> {
        let trace = TraceContext::from_headers(headers);
        let mut span = Span::client("login", || trace.clone());
        describe(&mut span, tenant);
        let session = self.request_login(tenant, span.context().or(trace)).await;
        let result = match &session {
            Ok(_) => "ok",
            // For an inactive account GetToken responds with a success status, but without a token.
            Err(DeliveryError::LoginStatus(400 | 401 | 403) | DeliveryError::LoginWithoutToken) => "refused",
            Err(_) => "failed",
        };
        self.logins.with(&[tenant.name.as_str(), result]).inc();
        if let Err(error) = &session {
            span.fail(result);
            warn!(tenant = %tenant.name, error = error as &dyn std::error::Error, "portal login failed");
        }
        session
    }

    async fn request_login(
        &self,
        tenant: &Tenant,
        trace: Option<TraceContext>,
    ) -> Result<Session, DeliveryError> {
        let portal = &tenant.portal;
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        if let Some(trace) = trace {
            trace.write_to(&mut headers);
        }
        let post = |path| self.client.post(endpoint(portal, path)).headers(headers);
        let request = match portal.dialect {
            Dialect::Legacy => legacy::login(post(legacy::LOGIN), portal),
            Dialect::Keycloak => keycloak::login(post(keycloak::LOGIN), portal),
        };
        let response = request.send().await.map_err(|error| DeliveryError::transport(Step::Login, error))?;
        if !response.status().is_success() {
            return Err(DeliveryError::LoginStatus(response.status().as_u16()));
        }
        let body = read_at_most(response, MAX_RESPONSE_BYTES)
            .await
            .map_err(|error| DeliveryError::transport(Step::Login, error))?;
        let login = LoginResponse::parse(&body).map_err(|no_token| {
            warn!(tenant = %tenant.name, keys = ?no_token.keys, "portal login response contains no token");
            DeliveryError::LoginWithoutToken
        })?;
        Session::new(login, portal.dialect, self.login_lifetime)
    }
}

// === impl Session ===

impl Session {
    fn new(
        login: LoginResponse,
        dialect: Dialect,
        default_lifetime: Duration,
    ) -> Result<Self, DeliveryError> {
        let (credential, lifetime) = match dialect {
            Dialect::Legacy => (SessionCredential::Token(login.token), login.expires_in),
            Dialect::Keycloak => {
                let lifetime = keycloak::lifetime(&login);
                let credential =
                    login.token.header_value("Bearer ").ok_or(DeliveryError::LoginWithoutToken)?;
                (SessionCredential::Bearer(credential), lifetime)
            }
        };
        let opened_at = Instant::now();
        let expires_at = opened_at + usable_for(lifetime.unwrap_or(default_lifetime));
        Ok(Self { credential, opened_at, expires_at })
    }

    fn is_usable(&self) -> bool {
        Instant::now() < self.expires_at
    }
}

/// Returns how long a token is used: a tenth less than its lifetime, but at most 30 s less. The last delivery with it still
/// has to arrive.
fn usable_for(lifetime: Duration) -> Duration {
    let lifetime = lifetime.min(MAX_LIFETIME);
    lifetime - (lifetime / 10).min(EXPIRY_MARGIN)
}

/// The longest time before its expiry at which a token is no longer used.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);
/// The maximum time that a token is used, whatever its lifetime.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::{Dialect, Duration, Instant, LoginResponse, Session, usable_for};

    #[test]
    fn token_is_used_until_shortly_before_it_expires() {
        let used = [1, 60, 600, 86_400, u64::MAX]
            .map(|seconds| usable_for(Duration::from_secs(seconds)).as_millis());

        assert_eq!(used, [900, 54_000, 570_000, 86_370_000, 86_370_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn lifetime_comes_from_the_response_else_from_the_configuration() {
        let life = |text: &str| {
            let login = LoginResponse::parse(text.as_bytes()).unwrap();
            let session = Session::new(login, Dialect::Legacy, Duration::from_secs(600)).unwrap();
            session.expires_at - Instant::now()
        };

        let lives = [life(r#"{"token":"t","expires_in":100}"#), life(r#"{"token":"t"}"#)];

        assert_eq!(lives, [Duration::from_secs(90), Duration::from_secs(570)]);
    }

    #[test]
    fn token_with_characters_invalid_in_a_header_fails_the_login() {
        let login = LoginResponse::parse(br#"{"accessToken":"a\nb"}"#).unwrap();

        let session = Session::new(login, Dialect::Keycloak, Duration::from_secs(600));

        assert!(session.is_err());
    }

    #[test]
    fn debug_shows_no_token() {
        for dialect in [Dialect::Legacy, Dialect::Keycloak] {
            let login = LoginResponse::parse(br#"{"token":"canary"}"#).unwrap();
            let session = Session::new(login, dialect, Duration::from_secs(600)).unwrap();

            assert!(!format!("{session:?}").contains("canary"));
        }
    }
}
