//! The tenants for operators: the running ones, those of a source, and a look at once.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use clap::Subcommand;
use http::{Method, Response, StatusCode, header};
use kyc_model::{Dialect, Tenant, TenantTable};
use kyc_plugin_api::Operations;
use kyc_tenants::{Document, Failure, Look, OnfidoHosts, Outcome, Reload, Source, Tenants, causes};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::config::{Bindings, unbound};
use crate::remote::{Target, Why};
use crate::terminal;

/// `/admin/tenants` and `/admin/reload`.
pub(crate) struct Tenancy {
    tenants: Tenants,
    reload: Reload,
}

/// What to do with tenants.
#[derive(Subcommand)]
pub(crate) enum TenantsCommand {
    /// Lists the tenants of a running gateway, with every secret masked.
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Makes a running gateway look at the tenant document at once, as SIGHUP does, and prints what came of it. Exits with 1
    /// when the source could not be read, or the document or an entry of it was refused.
    Reload {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        why: Why,
    },
}

// === impl Tenancy ===

impl Tenancy {
    pub(crate) fn new(tenants: Tenants, reload: Reload) -> Self {
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

// === impl TenantsCommand ===

impl TenantsCommand {
    /// Asks and prints.
    pub(crate) fn execute(self) -> ExitCode {
        match self {
            Self::List { target } => target.tell(None, "/admin/tenants", &Vec::new(), table),
            Self::Reload { target, why } => {
                target.conclude(Some(&why), "/admin/reload", &Vec::new(), summary, is_whole)
            }
        }
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

/// The same for a person.
fn summary(answer: &Value) -> String {
    if answer["tenants"].is_null() {
        return "the gateway looks at its tenant document; it is too old to say what comes of it".to_owned();
    }
    let version =
        answer["version"].as_u64().map(|version| format!(" (version {version})")).unwrap_or_default();
    let source = answer["source"].as_str().unwrap_or("the source");
    let mut text = format!("{source}{version} was read: {} tenants are served\n", answer["tenants"]);
    let mut is_same = true;
    for (title, member) in [
        ("added", "added"),
        ("changed", "changed"),
        ("removed", "removed"),
        ("refused", "refused"),
        ("kept as it was", "kept"),
    ] {
        for line in answer[member].as_array().into_iter().flatten().filter_map(Value::as_str) {
            is_same = false;
            // Writing into a string does not fail.
            let _ = writeln!(text, "{title}: {line}");
        }
    }
    if is_same {
        text.push_str("nothing changed\n");
    }
    text
}

/// Says whether every entry of the document is served.
fn is_whole(answer: &Value) -> bool {
    answer["refused"].as_array().is_none_or(Vec::is_empty)
}

/// Reads a source once and says what would be served; succeeds only when everything would be.
pub(crate) fn check_live(mut source: Box<dyn Source>, hosts: &OnfidoHosts, bindings: &Bindings) -> ExitCode {
    let name = source.describe();
    let read = async { source.read().await.map_err(|error| format!("{name}: {}", causes(&error))) };
    let text = match terminal::wait_for(read) {
        Ok(text) => text,
        Err(reason) => return terminal::fail(&reason),
    };
    let document = match Document::read(&text, hosts) {
        Ok(document) => document,
        Err(error) => return terminal::fail(&format!("{name}: {error}")),
    };
    terminal::say(&format!("{name} can be read"));
    terminal::say(table(&json!({ "tenants": rows(&document.tenants) })).trim_end());
    for misspelt in &document.misspelt {
        terminal::say(&terminal::escaped(&format!("warning: {misspelt}")));
    }
    let refused = document.refused.iter().map(ToString::to_string);
    let unbound = unbound(bindings, &document.tenants).into_iter();
    let problems: Vec<String> =
        refused.chain(unbound.map(|(path, reason)| format!("{path}: {reason}"))).collect();
    if problems.is_empty() {
        return ExitCode::SUCCESS;
    }
    terminal::fail(&problems.join("\n"))
}

/// What may be shown of each tenant, by name.
fn rows(table: &TenantTable) -> Vec<Value> {
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

fn table(answer: &Value) -> String {
    let mut text = format!(
        "{:<24}{:<14}{:<24}{:<9}{:<17}{:<30}{}\n",
        "TENANT", "SUBSCRIPTION", "ONFIDO", "WEBHOOK", "SIGNING TOKEN", "PORTAL", "DIALECT"
    );
    for tenant in answer["tenants"].as_array().into_iter().flatten() {
        let word = |key: &str| tenant[key].as_str().unwrap_or("-").to_owned();
        let webhook = if tenant["webhook_id"] == true { "yes" } else { "no" };
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{:<24}{:<14}{:<24}{webhook:<9}{:<17}{:<30}{}",
            word("name"),
            word("subscription_id"),
            word("onfido"),
            word("signing_token"),
            word("portal"),
            word("dialect")
        );
    }
    text
}

/// A login at Vault and a read that is tried again take a while.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
const DESCRIPTION: &str = include_str!("tenancy.openapi.json");
