//! `kyc-gateway tenants`, and `check --live`.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use kyc_admin::{
    DoctorReport, ListTenants, ProbeTenants, ProbedTenant, ReloadReport, ReloadTenants, TenantEntry,
    TenantList, tenant_list,
};
use kyc_doctor::{Demand, Doctor};
use kyc_model::TenantTable;
use kyc_tenants::{Document, MassRemoval, OnfidoHosts, Source, Tenants, error_chain};
use tokio::sync::watch;

use crate::cli::failure::Failure;
use crate::cli::remote::{Target, Why};
use crate::cli::table::columns;
use crate::cli::{setup, terminal};
use crate::config::{Bindings, unbound};
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;

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
    /// Makes a running gateway probe its tenants, and prints what is wrong: the credential and the webhook at Onfido, the portal and
    /// its account, the clock. The probes change nothing. Exits with 1 when there is a finding.
    Doctor {
        /// Only the tenant with this name.
        name: Option<String>,
        /// Prints the findings of the last probes, without a new probe.
        #[arg(long)]
        last: bool,
        /// The reason for the probes, for the audit record; default: the name of this command.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Adds a tenant: tries its API token and its portal, registers its webhook at Onfido, and writes its entry into the tenant
    /// document. Asks for what is missing. What was done is taken back when a step fails; a second run finishes an interrupted one.
    Add(Box<setup::Add>),
    /// Removes a tenant: deletes its webhook at Onfido and its entry in the tenant document. A second run finishes an interrupted
    /// one.
    Remove(setup::Remove),
    /// Replaces the API token of a tenant, after the new one was tried. The old one stays valid until it is revoked in Onfido's
    /// dashboard.
    Rotate(setup::Rotate),
    /// Probes a tenant, and sends its portal a test event through the gateway, signed as Onfido signs. Exits with 1 when a probe
    /// finds something, or the event is not taken.
    Test(setup::Test),
}

// === impl TenantsCommand ===

impl TenantsCommand {
    /// Runs the command and prints the result.
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        match self {
            Self::Add(add) => add.execute(registry, build_context),
            Self::Remove(remove) => remove.execute(registry, build_context),
            Self::Rotate(rotate) => rotate.execute(registry, build_context),
            Self::Test(test) => test.execute(registry, build_context),
            Self::List { target } => target.send(None, &ListTenants, table),
            Self::Reload { target, why, accept } => {
                let removal = if accept { MassRemoval::Accept } else { MassRemoval::Refuse };
                target.send_and_judge(Some(&why), &ReloadTenants { removal }, summary, is_whole)
            }
            Self::Doctor { name, last, reason, target } => {
                let why = Why::of_command(reason.as_deref().unwrap_or(DOCTOR_REASON));
                let why = (!last).then_some(&why);
                target.send_and_judge(why, &ProbeTenants { tenant: name }, findings, DoctorReport::is_clean)
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

/// The findings of tenants as text: a line for each finding, and for each probe that could not tell.
fn findings(report: &DoctorReport) -> String {
    let mut text = String::new();
    for ProbedTenant { name, probed_at, findings, unknown } in &report.tenants {
        // Writing to a `String` does not fail.
        for finding in findings {
            let _ = writeln!(text, "{name}: {} since {}: {}", finding.code, finding.since, finding.advice);
        }
        for probe in unknown {
            let _ = writeln!(text, "{name}: {} unknown since {}: {}", probe.probe, probe.since, probe.reason);
        }
        if findings.is_empty() && unknown.is_empty() {
            let state = if probed_at.is_some() { "no finding" } else { "not probed yet" };
            let _ = writeln!(text, "{name}: {state}");
        }
    }
    text
}

/// The findings of tenants as text for a terminal.
fn printed(report: &DoctorReport) -> String {
    let lines = findings(report);
    lines.lines().map(terminal::escaped).collect::<Vec<_>>().join("\n")
}

/// Probes these tenants once, without a running gateway.
fn probe_once(doctor: &Doctor, current: &Tenants, table: TenantTable) -> Result<DoctorReport, Failure> {
    current.replace(Arc::new(table));
    terminal::wait_for(async {
        let (_running, shutdown) = watch::channel(false);
        tokio::select! {
            () = doctor.run(shutdown) => Err(Failure::system("the probes ended early")),
            demand = doctor.probe_now(None) => match demand {
                Demand::Done => Ok(DoctorReport::new(doctor.reports(), None)),
                Demand::UnknownTenant | Demand::NoTenants => Err(Failure::refused("there is no tenant to probe")),
            },
        }
    })
}

/// Reads the tenant source once and prints which tenants would be served, and what is wrong with them; fails when an entry would be
/// refused, or when there is a finding.
pub(crate) fn check_live(
    mut source: Box<dyn Source>,
    hosts: &OnfidoHosts,
    bindings: &Bindings,
    (doctor, current): (&Doctor, &Tenants),
) -> ExitCode {
    let name = source.describe();
    let read = async {
        source.read().await.map_err(|error| Failure::Unreachable(format!("{name}: {}", error_chain(&error))))
    };
    let text = match terminal::wait_for(read) {
        Ok(text) => text,
        Err(failure) => return terminal::fail(&failure),
    };
    let document = match Document::read(&text, hosts) {
        Ok(document) => document,
        Err(error) => return terminal::refuse(&format!("{name}: {error}")),
    };
    terminal::print(&format!("{name} can be read"));
    terminal::print(table(&tenant_list(&document.tenants, &[])).trim_end());
    let misspelt = document.misspelt.iter().map(ToString::to_string);
    for warning in misspelt.chain(document.warnings.iter().map(ToString::to_string)) {
        terminal::print(&terminal::escaped(&format!("warning: {warning}")));
    }
    let refused = document.refused.iter().map(ToString::to_string);
    let unbound = unbound(bindings, &document.tenants).into_iter();
    let problems: Vec<String> =
        refused.chain(unbound.map(|(path, reason)| format!("{path}: {reason}"))).collect();
    let mut is_clean = true;
    if doctor.is_enabled() {
        match probe_once(doctor, current, document.tenants) {
            Ok(report) => {
                is_clean = report.is_clean();
                terminal::print(&printed(&report));
            }
            Err(failure) => return terminal::fail(&failure),
        }
    }
    if problems.is_empty() && !is_clean {
        return ExitCode::FAILURE;
    }
    if problems.is_empty() {
        return ExitCode::SUCCESS;
    }
    terminal::refuse(&problems.join("\n"))
}

fn table(list: &TenantList) -> String {
    let titles = [
        "TENANT",
        "SUBSCRIPTION",
        "ONFIDO",
        "CREDENTIAL",
        "WEBHOOK",
        "SIGNING TOKEN",
        "PORTAL",
        "DIALECT",
        "FINDINGS",
    ];
    let mut rows = vec![titles.map(str::to_owned)];
    for tenant in &list.tenants {
        let TenantEntry { name, subscription_id, onfido, credential, signing_token, dialect, .. } = tenant;
        let webhook = if tenant.webhook_id { "yes" } else { "no" };
        let portal = tenant.portal.as_deref().unwrap_or("-");
        let findings = if tenant.findings.is_empty() { "-".to_owned() } else { tenant.findings.join(",") };
        let cells: [&str; 9] =
            [name, subscription_id, onfido, credential, webhook, signing_token, portal, dialect, &findings];
        rows.push(cells.map(str::to_owned));
    }
    let mut text = columns(&rows);
    for warning in &list.warnings {
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

/// The reason in the audit record, where the operator gives none.
const DOCTOR_REASON: &str = "kyc-gateway tenants doctor";
