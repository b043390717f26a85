//! Logins at portals: one at a time per tenant, kept until shortly before they expire.

use std::sync::Arc;
use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use kyc_http_client::read_at_most;
use kyc_model::{Dialect, Secret, Tenant, TraceContext};
use kyc_resilience::SingleFlight;
use kyc_telemetry::traces::Span;
use kyc_telemetry::{CounterFamily, MetricError, MetricsRegistry, names};
use reqwest::Client;
use tokio::time::Instant;
use tracing::warn;

use crate::answers::ANSWER_LIMIT;
use crate::answers::login::LoginAnswer;
use crate::dialects::{keycloak, legacy};
use crate::endpoint::endpoint;
use crate::error::{DeliveryError, Step};

/// The sessions of all tenants.
#[derive(Debug)]
pub(crate) struct Sessions {
    client: Client,
    login_lifetime: Duration,
    sessions: SingleFlight<Session, DeliveryError>,
    logins: CounterFamily<2>,
}

/// One login.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) pass: Pass,
    expires_at: Instant,
}

/// What a login gives, in the form in which the dialect shows it to the portal.
#[derive(Debug)]
pub(crate) enum Pass {
    /// Legacy: a token in the body.
    Token(Secret),
    /// Keycloak: a sensitive `Authorization` value.
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

    /// The tenant's session, made now when there is none or it is about to expire; then in the trace that `headers`
    /// name.
    ///
    /// A login ends with the delivery that began it: only that one's deadline bounds it, and nothing may be sent any
    /// more when a shutdown has cut the deliveries off.
    ///
    /// # Errors
    ///
    /// [`DeliveryError`] of the login; it stands for a second, for all.
    pub(crate) async fn session(
        &self,
        tenant: &Tenant,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, DeliveryError> {
        self.sessions.value(tenant, Session::is_usable, self.login(tenant, headers)).await
    }

    /// Logs in whatever session there is, which the new one replaces, and however short ago a login has failed.
    ///
    /// # Errors
    ///
    /// [`DeliveryError`] of the login.
    pub(crate) async fn renew(&self, tenant: &Tenant) -> Result<(), DeliveryError> {
        self.sessions.value_anew(tenant, self.login(tenant, &HeaderMap::new())).await.map(drop)
    }

    /// Drops a session that the portal no longer knows.
    pub(crate) async fn forget(&self, tenant: &Tenant, session: &Arc<Session>) {
        self.sessions.forget(tenant, session).await;
    }

    async fn login(&self, tenant: &Tenant, headers: &HeaderMap) -> Result<Session, DeliveryError> {
        let trace = TraceContext::from_headers(headers);
        let mut span = Span::client("login", || trace.clone());
        span.set("tenant", tenant.name.to_string());
        let session = self.ask(tenant, span.context().or(trace)).await;
        let result = match &session {
            Ok(_) => "ok",
            Err(DeliveryError::LoginStatus(400 | 401 | 403) | DeliveryError::LoginAnswer) => "refused",
            Err(_) => "failed",
        };
        self.logins.with(&[tenant.name.as_str(), result]).inc();
        if let Err(error) = &session {
            span.fail(result);
            warn!(tenant = %tenant.name, error = error as &dyn std::error::Error, "portal login failed");
        }
        session
    }

    async fn ask(&self, tenant: &Tenant, trace: Option<TraceContext>) -> Result<Session, DeliveryError> {
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
        let body = read_at_most(response, ANSWER_LIMIT)
            .await
            .map_err(|error| DeliveryError::transport(Step::Login, error))?;
        let answer = LoginAnswer::parse(&body).map_err(|no_token| {
            warn!(tenant = %tenant.name, keys = ?no_token.keys, "portal login answer holds no token");
            DeliveryError::LoginAnswer
        })?;
        Session::new(answer, portal.dialect, self.login_lifetime)
    }
}

// === impl Session ===

impl Session {
    fn new(answer: LoginAnswer, dialect: Dialect, otherwise: Duration) -> Result<Self, DeliveryError> {
        let (pass, lifetime) = match dialect {
            Dialect::Legacy => (Pass::Token(answer.token), answer.expires_in),
            Dialect::Keycloak => {
                let lifetime = keycloak::lifetime(&answer);
                let credential = answer.token.header_value("Bearer ").ok_or(DeliveryError::LoginAnswer)?;
                (Pass::Bearer(credential), lifetime)
            }
        };
        Ok(Self { pass, expires_at: Instant::now() + usable_for(lifetime.unwrap_or(otherwise)) })
    }

    fn is_usable(&self) -> bool {
        Instant::now() < self.expires_at
    }
}

/// A tenth less than the life, at most half a minute less: time for the delivery that uses the token last.
fn usable_for(lifetime: Duration) -> Duration {
    let lifetime = lifetime.min(LONGEST);
    lifetime - (lifetime / 10).min(MARGIN)
}

const MARGIN: Duration = Duration::from_secs(30);
/// Whatever a portal says, a login is renewed once a day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::{Dialect, Duration, Instant, LoginAnswer, Session, usable_for};

    #[test]
    fn sessions_end_before_the_portal_ends_them() {
        let used = [1, 60, 600, 86_400, u64::MAX]
            .map(|seconds| usable_for(Duration::from_secs(seconds)).as_millis());

        assert_eq!(used, [900, 54_000, 570_000, 86_370_000, 86_370_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn life_is_the_portals_else_the_configured_one() {
        let life = |text: &str| {
            let answer = LoginAnswer::parse(text.as_bytes()).unwrap();
            let session = Session::new(answer, Dialect::Legacy, Duration::from_secs(600)).unwrap();
            session.expires_at - Instant::now()
        };

        let lives = [life(r#"{"token":"t","expires_in":100}"#), life(r#"{"token":"t"}"#)];

        assert_eq!(lives, [Duration::from_secs(90), Duration::from_secs(570)]);
    }

    #[test]
    fn token_that_no_header_can_carry_is_a_failed_login() {
        let answer = LoginAnswer::parse(br#"{"accessToken":"a\nb"}"#).unwrap();

        let session = Session::new(answer, Dialect::Keycloak, Duration::from_secs(600));

        assert!(session.is_err());
    }

    #[test]
    fn debug_shows_no_token() {
        for dialect in [Dialect::Legacy, Dialect::Keycloak] {
            let answer = LoginAnswer::parse(br#"{"token":"canary"}"#).unwrap();
            let session = Session::new(answer, dialect, Duration::from_secs(600)).unwrap();

            assert!(!format!("{session:?}").contains("canary"));
        }
    }
}
