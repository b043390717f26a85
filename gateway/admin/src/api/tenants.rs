//! The tenants for operators: the running ones, and a look at their source at once.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use kyc_model::{Dialect, Tenant, TenantTable};
use kyc_plugin_api::Operations;
use kyc_tenants::{Failure, Look, Outcome, Reload, Tenants};
use serde_json::{Value, json};
use tokio::time::timeout;

/// `/admin/tenants` and `/admin/reload`.
pub struct Tenancy {
    tenants: Tenants,
    reload: Reload,
}

// === impl Tenancy ===

impl fmt::Debug for Tenancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenancy").finish_non_exhaustive()
    }
}

impl Tenancy {
    /// Answers from the tenants that are served, and asks for a reload.
    pub fn new(tenants: Tenants, reload: Reload) -> Self {
        Self { tenants, reload }
    }
}

#[async_trait]
impl Operations for Tenancy {
    fn name(&self) -> &'static str {
        "admin"
    }

    fn describe(&self) -> Value {
        // It is part of this program; a test reads it.
        serde_json::from_str(DESCRIPTION).unwrap_or_default()
    }

    async fn answer(&self, method: &Method, path: &str, _query: &str) -> Response<Vec<u8>> {
        let (status, value) = match (method.as_str(), path) {
            ("GET", "/tenants") => match self.tenants.load() {
                Some(table) => (StatusCode::OK, json!({ "tenants": rows(&table) })),
                None => {
                    (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "no tenant document was loaded yet" }))
                }
            },
            ("POST", "/reload") => match timeout(LONGEST_LOOK, self.reload.outcome()).await {
                Ok(Some(outcome)) => reloaded(outcome),
                Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "the gateway is draining" })),
                Err(_) => {
                    let reason = "the source does not answer yet; the log and /metrics say what comes of it";
                    (StatusCode::GATEWAY_TIMEOUT, json!({ "error": reason }))
                }
            },
            (_, "/tenants" | "/reload") => {
                let reason = "GET /admin/tenants to look, POST /admin/reload to look anew";
                (StatusCode::METHOD_NOT_ALLOWED, json!({ "error": reason }))
            }
            _ => (StatusCode::NOT_FOUND, json!({ "error": "no such path" })),
        };
        let mut response = Response::new(format!("{value}\n").into_bytes());
        *response.status_mut() = status;
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

/// What is answered to whoever asked for a look.
fn reloaded(outcome: Outcome) -> (StatusCode, Value) {
    match outcome {
        Ok(look) => {
            let Look { source, version, tenants, added, changed, removed, refused, kept } = look;
            let value = json!({
                "source": source, "version": version, "tenants": tenants, "added": added, "changed": changed,
                "removed": removed, "refused": refused, "kept": kept,
            });
            (StatusCode::OK, value)
        }
        Err(Failure::Source(reason)) => (StatusCode::BAD_GATEWAY, json!({ "error": reason })),
        Err(Failure::Document(reason)) => (StatusCode::UNPROCESSABLE_ENTITY, json!({ "error": reason })),
    }
}

/// What may be shown of each tenant, by name.
pub fn rows(table: &TenantTable) -> Vec<Value> {
    let mut tenants: Vec<_> = table.iter().collect();
    tenants.sort_by_key(|tenant| tenant.name.as_str());
    tenants.into_iter().map(|tenant| row(tenant)).collect()
}

fn row(tenant: &Tenant) -> Value {
    let portal = &tenant.portal;
    json!({
        "name": tenant.name.as_str(),
        "subscription_id": masked(tenant.subscription_id.as_str()),
        "onfido": tenant.base.host(),
        "webhook_id": tenant.webhook_id.is_some(),
        "signing_token": if tenant.signing_token.is_some() { "in the document" } else { "from Onfido" },
        "portal": portal.url.host_str(),
        "dialect": match portal.dialect {
            Dialect::Legacy => "legacy",
            Dialect::Keycloak => "keycloak",
        },
        "action": portal.action,
    })
}

/// Enough to tell two apart, and only of ids that are long enough to lose nothing by it.
fn masked(id: &str) -> String {
    let end: Vec<char> = id.chars().rev().take(4).collect();
    if id.chars().count() < 16 {
        return "set".to_owned();
    }
    end.into_iter().rev().fold("…".to_owned(), |text, character| format!("{text}{character}"))
}

/// A login at Vault and a read that is tried again take a while.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
const DESCRIPTION: &str = include_str!("tenants.openapi.json");
