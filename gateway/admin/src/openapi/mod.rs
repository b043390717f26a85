//! The API description and its page, below `/swagger` of the admin listener, if `EnableSwagger` is `"true"` in the tenant
//! document.

mod compose;
mod route;

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use http::{HeaderValue, Method, Response, StatusCode, header};
use kyc_plugin_api::AdminPages;
use kyc_tenants::{DocumentValues, Tenants};

pub use route::DescribedRoute;

/// The page of the API description. All its files are compiled in: it loads nothing from other servers, so it works without the
/// Internet and leaks nothing.
pub struct ApiPage {
    routes: Vec<DescribedRoute>,
    operations: Vec<Arc<dyn AdminPages>>,
    tenants: Tenants,
    /// Composed at the first request.
    description: OnceLock<Vec<u8>>,
}

// === impl ApiPage ===

impl fmt::Debug for ApiPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiPage").finish_non_exhaustive()
    }
}

impl ApiPage {
    /// Creates the page for these routes and the pages of operators.
    pub fn new(routes: Vec<DescribedRoute>, operations: &[Arc<dyn AdminPages>], tenants: Tenants) -> Self {
        Self { routes, operations: operations.to_vec(), tenants, description: OnceLock::new() }
    }

    fn is_enabled(&self) -> bool {
        self.tenants.load().is_some_and(|table| DocumentValues(&table).is_on(ENABLED).unwrap_or(false))
    }

    fn content(&self, path: &str) -> Option<(&'static str, Vec<u8>)> {
        Some(match path {
            "/" => ("text/html; charset=utf-8", PAGE.to_vec()),
            "/page.js" => ("text/javascript; charset=utf-8", SCRIPT.to_vec()),
            "/swagger-ui.css" => ("text/css; charset=utf-8", STYLE.to_vec()),
            "/swagger-ui-bundle.js" => ("text/javascript; charset=utf-8", BUNDLE.to_vec()),
            "/openapi.json" => {
                let write = || compose::description(&self.routes, &self.operations).to_string().into_bytes();
                ("application/json", self.description.get_or_init(write).clone())
            }
            _ => return None,
        })
    }
}

#[async_trait]
impl AdminPages for ApiPage {
    fn name(&self) -> &'static str {
        "swagger"
    }

    async fn answer(&self, method: &Method, path: &str, _query: &str) -> Response<Vec<u8>> {
        let mut response = Response::new(Vec::new());
        if !self.is_enabled() {
            *response.status_mut() = StatusCode::NOT_FOUND;
        } else if *method != Method::GET {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        } else if path.is_empty() {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/swagger/"));
        } else if let Some((content_type, body)) = self.content(path) {
            *response.body_mut() = body;
            for (name, value) in [
                (header::CONTENT_TYPE, content_type),
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
                (header::CACHE_CONTROL, "no-cache"),
            ] {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        } else {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }
}

/// The key of the tenant document that enables the page with `"true"`.
pub const ENABLED: &str = "EnableSwagger";
/// Swagger UI sets styles of single elements; scripts may only come from this origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGE: &[u8] = include_bytes!("page.html");
const SCRIPT: &[u8] = include_bytes!("page.js");
/// Swagger UI, Apache licence 2.0 (<https://github.com/swagger-api/swagger-ui>).
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css"));
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js"));
