//! The admin listener: `/metrics`, `/livez`, `/readyz`.

mod hosts;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use kyc_plugin_api::{Background, Operations};
use kyc_telemetry::Metrics;
use kyc_tenants::Tenants;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde_json::json;

pub(crate) use hosts::{HostName, Hosts};

/// What the admin listener serves.
pub(crate) struct Admin {
    metrics: Metrics,
    readiness: Readiness,
    operations: Vec<Arc<dyn Operations>>,
    hosts: Hosts,
}

/// Whether the gateway takes requests.
#[derive(Clone)]
pub(crate) struct Readiness {
    tenants: Tenants,
    metrics: Metrics,
    max_age: Option<Duration>,
    backgrounds: Arc<[Arc<dyn Background>]>,
    draining: Arc<AtomicBool>,
}

// === impl Readiness ===

impl Readiness {
    pub(crate) fn new(
        tenants: Tenants,
        metrics: Metrics,
        max_age: Option<Duration>,
        backgrounds: &[Arc<dyn Background>],
    ) -> Self {
        Self { tenants, metrics, max_age, backgrounds: backgrounds.into(), draining: Arc::default() }
    }

    /// Says that the gateway is shutting down.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Says whether requests can be served, or why not.
    pub(crate) fn verdict(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("draining\n");
        }
        if self.tenants.load().is_none() {
            return Err("no tenant document was loaded yet\n");
        }
        if !self.backgrounds.iter().all(|background| background.is_ready()) {
            return Err("a plugin is not ready yet\n");
        }
        if self.max_age.is_some_and(|limit| self.age() > limit) {
            return Err("the tenant document could not be looked at for too long\n");
        }
        Ok(())
    }

    /// How long ago the source was looked at with success.
    fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let last = u64::try_from(self.metrics.tenants_refreshed.get()).unwrap_or_default();
        now.saturating_sub(Duration::from_secs(last))
    }
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(
        metrics: Metrics,
        readiness: Readiness,
        operations: Vec<Arc<dyn Operations>>,
        hosts: Hosts,
    ) -> Self {
        Self { metrics, readiness, operations, hosts }
    }

    /// The plugin that a path belongs to, and what follows its name.
    fn operation<'a>(&self, path: &'a str) -> Option<(&dyn Operations, &'a str)> {
        self.operations.iter().find_map(|operations| {
            let rest = path.strip_prefix('/')?.strip_prefix(operations.name())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((operations.as_ref(), rest))
        })
    }

    fn answer(&self, method: &Method, path: &str) -> (StatusCode, &'static str, Vec<u8>) {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, TEXT, Vec::new());
        }
        match path {
            "/metrics" => match self.metrics.encode() {
                Ok(text) => (StatusCode::OK, METRICS, text),
                Err(error) => {
                    tracing::error!(%error, "the metrics cannot be written");
                    (StatusCode::INTERNAL_SERVER_ERROR, TEXT, Vec::new())
                }
            },
            "/livez" => (StatusCode::OK, TEXT, b"ok\n".to_vec()),
            "/readyz" => match self.readiness.verdict() {
                Ok(()) => (StatusCode::OK, TEXT, b"ok\n".to_vec()),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, reason.as_bytes().to_vec()),
            },
            _ => (StatusCode::NOT_FOUND, TEXT, Vec::new()),
        }
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let mut response = self.respond(session).await;
        for (name, value) in FOR_BROWSERS {
            response.headers_mut().insert(name, http::HeaderValue::from_static(value));
        }
        response
    }
}

impl Admin {
    async fn respond(&self, session: &ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        if let Some(foreign) = self.hosts.refusal(head) {
            return refused(foreign.answer());
        }
        if let Some((operations, rest)) = self.operation(head.uri.path()) {
            // A page in somebody's browser can send a POST anywhere, but not with a header of its own.
            if head.method != Method::GET && !head.headers.contains_key(INTENT) {
                return refused((StatusCode::FORBIDDEN, "x-admin-intent is missing"));
            }
            let mut response =
                operations.answer(&head.method, rest, head.uri.query().unwrap_or_default()).await;
            let length = response.body().len();
            response.headers_mut().insert(header::CONTENT_LENGTH, http::HeaderValue::from(length));
            return response;
        }
        let (status, content_type, body) = self.answer(&head.method, head.uri.path());
        let length = body.len();
        let body = if head.method == Method::HEAD { Vec::new() } else { body };
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

fn refused((status, reason): (StatusCode, &str)) -> Response<Vec<u8>> {
    let mut response = Response::new(format!("{}\n", json!({ "error": reason })).into_bytes());
    let length = response.body().len();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, http::HeaderValue::from(length));
    response
}

/// What keeps a page of another origin from using an answer that it cannot read.
const FOR_BROWSERS: [(&str, &str); 2] =
    [("cross-origin-resource-policy", "same-origin"), ("x-content-type-options", "nosniff")];
/// The header that shows that a change is meant.
pub(crate) const INTENT: &str = "x-admin-intent";
const TEXT: &str = "text/plain; charset=utf-8";
/// The Prometheus text format, version 0.0.4.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests {
    use kyc_model::TenantTable;

    use super::*;

    fn admin() -> (Admin, Tenants, Readiness) {
        let tenants = Tenants::default();
        let metrics = Metrics::new().unwrap();
        let readiness = Readiness::new(tenants.clone(), metrics.clone(), Some(Duration::from_secs(60)), &[]);
        metrics.tenants_refreshed.set(i64::MAX);
        let hosts = Hosts::new(([127, 0, 0, 1], 9464).into(), Vec::new());
        (Admin::new(metrics, readiness.clone(), Vec::new(), hosts), tenants, readiness)
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
    fn not_ready_when_the_source_could_not_be_looked_at_for_too_long() {
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
        assert!(String::from_utf8(body).unwrap().contains("gateway_build_info{"));
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let (admin, ..) = admin();

        let found = [(Method::GET, "/"), (Method::GET, "/metrics/"), (Method::POST, "/metrics")]
            .map(|(method, path)| status(&admin, &method, path));

        assert_eq!(found, [404, 404, 405]);
    }
}
