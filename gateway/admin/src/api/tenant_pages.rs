//! The admin pages of tenants: lists the current ones, and reloads the tenant document.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, Response, StatusCode};
use kyc_doctor::{Demand, Doctor, TenantReport};
use kyc_model::{Credential, Dialect, EventActions, Tenant, TenantTable};
use kyc_plugin_api::AdminPages;
use kyc_tenants::{MassRemoval, ReloadError, ReloadHandle, Tenants};
use serde_json::Value;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::api::answers::{error_answer, json_answer};
use crate::api::doctor_messages::{DoctorReport, TENANT};
use crate::api::tenant_messages::{ACCEPT, ReloadReport, TenantEntry, TenantList};

/// `/admin/tenants`, `/admin/tenants/doctor` and `/admin/reload`.
pub struct TenantPages {
    tenants: Tenants,
    reload: ReloadHandle,
    doctor: Doctor,
}

// === impl TenantPages ===

impl fmt::Debug for TenantPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantPages").finish_non_exhaustive()
    }
}

impl TenantPages {
    /// Creates the pages of the current tenants, of their findings and of the reload.
    pub fn new(tenants: Tenants, reload: ReloadHandle, doctor: Doctor) -> Self {
        Self { tenants, reload, doctor }
    }

    /// Probes the tenants, and answers with what was found.
    async fn probe(&self, name: Option<&str>) -> Response<Vec<u8>> {
        match timeout(PROBE_TIMEOUT, self.doctor.probe_now(name)).await {
            Ok(Demand::Done) => self.findings(name),
            Ok(Demand::UnknownTenant) => error_answer(StatusCode::NOT_FOUND, NO_TENANT),
            Ok(Demand::NoTenants) => error_answer(StatusCode::SERVICE_UNAVAILABLE, NO_DOCUMENT),
            Err(_) => error_answer(
                StatusCode::GATEWAY_TIMEOUT,
                "the probes have not ended yet; GET /admin/tenants/doctor will show the results",
            ),
        }
    }

    /// Answers with what the last probes found.
    fn findings(&self, name: Option<&str>) -> Response<Vec<u8>> {
        let report = DoctorReport::new(self.doctor.reports(), name);
        match name.is_some() && report.tenants.is_empty() {
            true => error_answer(StatusCode::NOT_FOUND, NO_TENANT),
            false => json_answer(StatusCode::OK, &report),
        }
    }
}

#[async_trait]
impl AdminPages for TenantPages {
    fn name(&self) -> &'static str {
        "admin"
    }

    fn describe(&self) -> Value {
        // It is part of this program; a test reads it.
        serde_json::from_str(DESCRIPTION).unwrap_or_default()
    }

    async fn answer(&self, method: &Method, path: &str, query: &str) -> Response<Vec<u8>> {
        match (method.as_str(), path) {
            ("GET", "/tenants") => match self.tenants.load() {
                Some(table) => {
                    let mut list = tenant_list(&table, &self.doctor.reports());
                    list.warnings.extend(
                        self.tenants
                            .refused_removal()
                            .map(|refused| format!("the newest tenant document is refused: {refused}")),
                    );
                    json_answer(StatusCode::OK, &list)
                }
                None => error_answer(StatusCode::SERVICE_UNAVAILABLE, NO_DOCUMENT),
            },
            ("GET" | "POST", "/tenants/doctor") => match wanted(query) {
                Ok(name) if method == Method::GET => self.findings(name.as_deref()),
                Ok(name) => self.probe(name.as_deref()).await,
                Err(reason) => error_answer(StatusCode::BAD_REQUEST, reason),
            },
            ("POST", "/reload") => self.answer_reload(query).await,
            (_, "/tenants" | "/tenants/doctor" | "/reload") => error_answer(
                StatusCode::METHOD_NOT_ALLOWED,
                "GET /admin/tenants lists the tenants, GET /admin/tenants/doctor their findings, POST /admin/tenants/doctor probes \
                 them, POST /admin/reload reloads the document",
            ),
            _ => error_answer(StatusCode::NOT_FOUND, "no such path"),
        }
    }
}

impl TenantPages {
    async fn answer_reload(&self, query: &str) -> Response<Vec<u8>> {
        let Some(removal) = removal(query) else {
            return error_answer(StatusCode::BAD_REQUEST, "the only parameter is accept: true or false");
        };
        match timeout(RELOAD_TIMEOUT, self.reload.request_and_wait(removal)).await {
            Ok(Some(Ok(changes))) => json_answer(StatusCode::OK, &ReloadReport::from(changes)),
            Ok(Some(Err(ReloadError::Source(reason)))) => error_answer(StatusCode::BAD_GATEWAY, &reason),
            Ok(Some(Err(ReloadError::Document(reason) | ReloadError::Removal(reason)))) => {
                error_answer(StatusCode::UNPROCESSABLE_ENTITY, &reason)
            }
            Ok(None) => error_answer(StatusCode::SERVICE_UNAVAILABLE, "the gateway is draining"),
            Err(_) => error_answer(
                StatusCode::GATEWAY_TIMEOUT,
                "the source has not answered yet; the log and /metrics will show the result",
            ),
        }
    }
}

/// Reads whether the document may remove most of the tenants. Any other parameter is a mistake, and `None`.
fn removal(query: &str) -> Option<MassRemoval> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    match (parameters.next(), parameters.next()) {
        (None, _) => Some(MassRemoval::Refuse),
        (Some((name, value)), None) if name == ACCEPT => match value.as_ref() {
            "true" => Some(MassRemoval::Accept),
            "false" => Some(MassRemoval::Refuse),
            _ => None,
        },
        (Some(_), _) => None,
    }
}

/// Returns the tenant that a request names; `None` for all.
///
/// # Errors
///
/// A message that names an unknown parameter: a misspelt one must not select all tenants.
fn wanted(query: &str) -> Result<Option<String>, &'static str> {
    let mut wanted = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != TENANT {
            return Err("the only parameter is tenant");
        }
        wanted = Some(value.into_owned());
    }
    Ok(wanted)
}

/// Lists the tenants by name, with every secret masked, and with the codes of their findings.
pub fn tenant_list(table: &TenantTable, reports: &[TenantReport]) -> TenantList {
    let mut tenants: Vec<_> = table.iter().collect();
    tenants.sort_by_key(|tenant| tenant.name.as_str());
    TenantList {
        tenants: tenants.into_iter().map(|tenant| entry(tenant, reports)).collect(),
        warnings: Vec::new(),
    }
}

fn entry(tenant: &Tenant, reports: &[TenantReport]) -> TenantEntry {
    let report = reports.iter().find(|report| report.tenant == tenant.name.as_str());
    let findings = report.into_iter().flat_map(|report| &report.findings);
    let portal = &tenant.portal;
    let signing_token = if tenant.signing_token.is_some() { "in the document" } else { "from Onfido" };
    let credential = match tenant.credential {
        Credential::ApiToken(_) => "API token",
        Credential::OAuth(_) => "OAuth client",
    };
    let dialect = match portal.dialect {
        Dialect::Legacy => "legacy",
        Dialect::Keycloak => "keycloak",
    };
    let events = tenant.events.iter().flat_map(EventActions::iter);
    TenantEntry {
        name: tenant.name.as_str().to_owned(),
        subscription_id: masked(tenant.subscription_id.as_str()),
        onfido: tenant.base.host().to_owned(),
        credential: credential.to_owned(),
        webhook_id: tenant.webhook_id.is_some(),
        signing_token: signing_token.to_owned(),
        portal: portal.url.host_str().map(str::to_owned),
        dialect: dialect.to_owned(),
        action: portal.action.clone(),
        events: events.map(|(kind, action)| (kind.to_owned(), action.map(str::to_owned))).collect(),
        findings: findings.map(|finding| finding.code.name().to_owned()).collect(),
    }
}

/// Returns the last four characters of an id, to distinguish tenants; nothing of a short id, which they would reveal.
fn masked(id: &str) -> String {
    let end: Vec<char> = id.chars().rev().take(4).collect();
    if id.chars().count() < 16 {
        return "set".to_owned();
    }
    end.into_iter().rev().fold("…".to_owned(), |text, character| format!("{text}{character}"))
}

/// Enough for a login at Vault and a retried read.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// The probes of hundreds of tenants, some at a time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);
const NO_TENANT: &str = "there is no such tenant";
const NO_DOCUMENT: &str = "no tenant document is loaded yet";
const DESCRIPTION: &str = include_str!("tenants.openapi.json");
