//! `kyc-gateway tenants`, and `check --live`.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Subcommand;
use kyc_tenants::{Document, OnfidoHosts, Source, causes};
use serde_json::{Value, json};

use crate::cli::remote::{Target, Why};
use crate::cli::terminal;
use crate::config::{Bindings, unbound};
use kyc_admin::rows;

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
