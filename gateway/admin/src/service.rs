//! The pages of an admin listener: `/metrics`, `/livez` and `/readyz` without login, and operations for operators.

use std::fmt;
use std::path::PathBuf;

use http::{Method, Response, StatusCode, header};
use kyc_telemetry::Metrics;
use pingora::protocols::http::ServerSession;

use crate::api::answers::{challenged, refused};
use crate::api::dispatch::Dispatcher;
use crate::audit::record::Peer;
use crate::hosts::Hosts;
use crate::identity::access::has_token;
use crate::readiness::Readiness;

/// The pages of one admin listener.
pub struct Admin {
    /// `None`: operations only.
    probes: Option<(Metrics, Readiness)>,
    /// The file of the token that `/metrics` needs; `None`: no token.
    metrics_token: Option<PathBuf>,
    /// `None`: probes only.
    dispatcher: Option<Dispatcher>,
    /// `None`: a Unix socket, which no browser can reach.
    hosts: Option<Hosts>,
}

// === impl Admin ===

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    /// Serves probes and metrics. They need no login; metrics may need a token.
    pub fn probes(
        metrics: Metrics,
        readiness: Readiness,
        metrics_token: Option<PathBuf>,
        hosts: Hosts,
    ) -> Self {
        Self { probes: Some((metrics, readiness)), metrics_token, dispatcher: None, hosts: Some(hosts) }
    }

    /// Serves operations; `hosts` is `None` for a Unix socket.
    pub fn operations(dispatcher: Dispatcher, hosts: Option<Hosts>) -> Self {
        Self { probes: None, metrics_token: None, dispatcher: Some(dispatcher), hosts }
    }

    /// Adds operations to probes.
    #[must_use]
    pub fn with(mut self, dispatcher: Dispatcher) -> Self {
        self.dispatcher = Some(dispatcher);
        self
    }

    fn answer(&self, method: &Method, path: &str) -> (StatusCode, &'static str, Vec<u8>) {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, TEXT, Vec::new());
        }
        let Some((metrics, readiness)) = &self.probes else {
            return (StatusCode::NOT_FOUND, TEXT, Vec::new());
        };
        match path {
            "/metrics" => match metrics.encode() {
                Ok(text) => (StatusCode::OK, METRICS, text),
                Err(error) => {
                    tracing::error!(%error, "cannot encode the metrics");
                    (StatusCode::INTERNAL_SERVER_ERROR, TEXT, Vec::new())
                }
            },
            "/livez" => (StatusCode::OK, TEXT, b"ok\n".to_vec()),
            "/readyz" => match readiness.verdict() {
                Ok(()) => (StatusCode::OK, TEXT, format!("ok\n{}", readiness.warnings()).into_bytes()),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, reason.as_bytes().to_vec()),
            },
            _ if self.dispatcher.is_none() => (StatusCode::NOT_FOUND, TEXT, PROBES_ONLY.to_vec()),
            _ => (StatusCode::NOT_FOUND, TEXT, Vec::new()),
        }
    }
}

impl Admin {
    /// Answers a request from `peer`.
    pub(crate) async fn answer_to(&self, peer: Peer, session: &ServerSession) -> Response<Vec<u8>> {
        let mut response = self.respond(peer, session).await;
        for (name, value) in FOR_BROWSERS {
            response.headers_mut().insert(name, http::HeaderValue::from_static(value));
        }
        // A cache in front would report an old state. Only the files of the API page say otherwise.
        let caching = response.headers_mut().entry(header::CACHE_CONTROL);
        caching.or_insert(http::HeaderValue::from_static("no-store"));
        response
    }

    async fn respond(&self, peer: Peer, session: &ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        let path = head.uri.path();
        let asked =
            self.dispatcher.as_ref().and_then(|dispatcher| Some((dispatcher, dispatcher.find(path)?)));
        if let Some(foreign) = self.hosts.as_ref().and_then(|hosts| hosts.refusal(head)) {
            let answer = foreign.answer();
            if let Some((dispatcher, _)) = asked {
                dispatcher.deny(head, peer, answer.0).await;
            }
            return refused(answer);
        }
        if let Some((dispatcher, (operations, rest))) = asked {
            return dispatcher.respond(session, peer, operations, rest).await;
        }
        if path == "/metrics"
            && let Some(file) = &self.metrics_token
            && !has_token(file, &head.headers)
        {
            return challenged("metrics need the token of admin.metrics_token_file");
        }
        self.probe(&head.method, path)
    }

    fn probe(&self, method: &Method, path: &str) -> Response<Vec<u8>> {
        let (status, content_type, body) = self.answer(method, path);
        let length = body.len();
        let body = if *method == Method::HEAD { Vec::new() } else { body };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        headers.insert(header::CONTENT_LENGTH, http::HeaderValue::from(length));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, http::HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

/// Headers that keep pages of other origins from embedding an answer.
const FOR_BROWSERS: [(&str, &str); 2] =
    [("cross-origin-resource-policy", "same-origin"), ("x-content-type-options", "nosniff")];
const PROBES_ONLY: &[u8] =
    b"only /livez, /readyz and /metrics are here; operations are at admin.operations.address or \
    .socket, or with these where admin.address is on loopback\n";
const TEXT: &str = "text/plain; charset=utf-8";
/// The Prometheus text format, version 0.0.4.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use kyc_model::TenantTable;
    use kyc_tenants::Tenants;

    use super::*;
    use crate::hosts::Scheme;

    fn admin() -> (Admin, Tenants, Readiness) {
        let tenants = Tenants::default();
        let metrics = Metrics::new().unwrap();
        let readiness = Readiness::new(tenants.clone(), metrics.clone(), Some(Duration::from_secs(60)), &[]);
        metrics.tenants_refreshed.set(i64::MAX);
        let hosts = Hosts::new(([127, 0, 0, 1], 9464).into(), Vec::new(), Scheme::Http);
        (Admin::probes(metrics, readiness.clone(), None, hosts), tenants, readiness)
    }

    fn status(admin: &Admin, method: &Method, path: &str) -> u16 {
        admin.answer(method, path).0.as_u16()
    }

    #[test]
    fn ready_from_the_first_tenants_until_the_drain() {
        let (admin, tenants, readiness) = admin();

        let before = status(&admin, &Method::GET, "/readyz");
        tenants.replace(Arc::new(TenantTable::default()));
        let loaded = status(&admin, &Method::GET, "/readyz");
        readiness.drain();
        let draining = status(&admin, &Method::GET, "/readyz");

        assert_eq!((before, loaded, draining), (503, 200, 503));
        assert_eq!(status(&admin, &Method::GET, "/livez"), 200);
    }

    #[test]
    fn not_ready_when_the_source_was_not_read_for_max_age() {
        let (admin, tenants, readiness) = admin();
        tenants.replace(Arc::new(TenantTable::default()));

        let fresh = status(&admin, &Method::GET, "/readyz");
        readiness.metrics.tenants_refreshed.set(1_000_000);
        let old = status(&admin, &Method::GET, "/readyz");

        assert_eq!((fresh, old), (200, 503));
    }

    #[test]
    fn metrics_are_in_the_text_format() {
        let (admin, ..) = admin();

        let (status, content_type, body) = admin.answer(&Method::GET, "/metrics");

        assert_eq!((status, content_type), (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8"));
        assert!(String::from_utf8(body).unwrap().contains("\nkyc_gateway_in_flight_requests "));
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let (admin, ..) = admin();

        let found = [(Method::GET, "/"), (Method::GET, "/metrics/"), (Method::POST, "/metrics")]
            .map(|(method, path)| status(&admin, &method, path));

        assert_eq!(found, [404, 404, 405]);
    }
}
