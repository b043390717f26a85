//! `kyc-gateway tenants`, and `check --live`.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Subcommand;
use kyc_admin::{ListTenants, ReloadReport, ReloadTenants, TenantEntry, TenantList, tenant_list};
use kyc_tenants::{Document, MassRemoval, OnfidoHosts, Source, error_chain};

use crate::cli::remote::{Target, Why};
use crate::cli::terminal;
use crate::config::{Bindings, unbound};

/// Commands for tenants.
#[derive(Subcommand)]
pub(crate) enum TenantsCommand {
    /// Lists the tenants of a running gateway, with every secret masked.
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Makes a running gateway reload the tenant document at once, as SIGHUP does, and prints the result. Exits with 1 when the
    /// source cannot be read, or when the document or an entry of it is refused.
    Reload {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        why: Why,
        /// Accepts a document that removes every tenant, or more than half of them. Without it such a document is refused, and
        /// the current tenants stay in use.
        #[arg(long)]
        accept: bool,
    },
}

// === impl TenantsCommand ===

impl TenantsCommand {
    /// Runs the command and prints the result.
    pub(crate) fn execute(self) -> ExitCode {
        match self {
            Self::List { target } => target.send(None, &ListTenants, table),
            Self::Reload { target, why, accept } => {
                let removal = if accept { MassRemoval::Accept } else { MassRemoval::Refuse };
                target.send_and_judge(Some(&why), &ReloadTenants { removal }, summary, is_whole)
            }
        }
    }
}

/// The report of a reload as text.
fn summary(report: &ReloadReport) -> String {
    let Some(tenants) = report.tenants else {
        return "the gateway reloads its tenant document; its version is too old to report the result"
            .to_owned();
    };
    let version = report.version.map(|version| format!(" (version {version})")).unwrap_or_default();
    let source = report.source.as_deref().unwrap_or("the source");
    let mut text = format!("{source}{version} was read: {tenants} tenants are served\n");
    // Names of fields only: values are secrets.
    let changed: Vec<String> = report
        .changed
        .iter()
        .map(|name| match report.changed_fields.get(name) {
            Some(fields) if !fields.is_empty() => format!("{name} ({})", fields.join(", ")),
            Some(_) | None => name.clone(),
        })
        .collect();
    let lists = [
        ("added", &report.added),
        ("changed", &changed),
        ("removed", &report.removed),
        ("refused", &report.refused),
        ("kept unchanged", &report.kept),
        ("warning", &report.warnings),
    ];
    for (title, lines) in lists {
        for line in lines {
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "{title}: {line}");
        }
    }
    if lists.iter().all(|(_, lines)| lines.is_empty()) {
        text.push_str("nothing changed\n");
    }
    text
}

/// Returns whether no entry was refused.
fn is_whole(report: &ReloadReport) -> bool {
    report.refused.is_empty()
}

/// Reads the tenant source once and prints which tenants would be served; fails when an entry would be refused.
pub(crate) fn check_live(mut source: Box<dyn Source>, hosts: &OnfidoHosts, bindings: &Bindings) -> ExitCode {
    let name = source.describe();
    let read = async { source.read().await.map_err(|error| format!("{name}: {}", error_chain(&error))) };
    let text = match terminal::wait_for(read) {
        Ok(text) => text,
        Err(reason) => return terminal::fail(&reason),
    };
    let document = match Document::read(&text, hosts) {
        Ok(document) => document,
        Err(error) => return terminal::fail(&format!("{name}: {error}")),
    };
    terminal::print(&format!("{name} can be read"));
    terminal::print(table(&tenant_list(&document.tenants)).trim_end());
    let misspelt = document.misspelt.iter().map(ToString::to_string);
    for warning in misspelt.chain(document.warnings.iter().map(ToString::to_string)) {
        terminal::print(&terminal::escaped(&format!("warning: {warning}")));
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

fn table(list: &TenantList) -> String {
    let mut text = format!(
        "{:<24}{:<14}{:<24}{:<14}{:<9}{:<17}{:<30}{}\n",
        "TENANT", "SUBSCRIPTION", "ONFIDO", "CREDENTIAL", "WEBHOOK", "SIGNING TOKEN", "PORTAL", "DIALECT"
    );
    for tenant in &list.tenants {
        let TenantEntry { name, subscription_id, onfido, credential, signing_token, dialect, .. } = tenant;
        let webhook = if tenant.webhook_id { "yes" } else { "no" };
        let portal = tenant.portal.as_deref().unwrap_or("-");
        // Writing to a `String` does not fail.
        let _ = writeln!(
            text,
            "{name:<24}{subscription_id:<14}{onfido:<24}{credential:<14}{webhook:<9}{signing_token:<17}{portal:<30}{dialect}"
        );
    }
    for warning in &list.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}
