//! `kyc-gateway check`: reports every problem of a configuration, and with `--live` what only a look at the machine, the tenants,
//! Onfido and the portals shows.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::Failure;
use crate::cli::{places, tenants, terminal};
use crate::config::Settings;
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;
use crate::{assembly, config};

/// What is checked.
#[derive(Args)]
pub(crate) struct CheckCommand {
    #[command(flatten)]
    file: ConfigFile,
    /// Also tries the addresses and folders, logs in to the tenant source, reads the tenants, reports for each whether it would be
    /// served, and probes its account at Onfido and its portal. An address that is in use is no problem: a gateway may be running.
    #[arg(long)]
    live: bool,
    /// Prints the result as one JSON object.
    #[arg(long, conflicts_with = "live")]
    json: bool,
}

// === impl CheckCommand ===

impl CheckCommand {
    /// Checks, and prints the result.
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let file = self.file.path();
        let checked = config::load(&file, registry, build_context, config::Purpose::Check);
        let warnings = build_context.warnings.take();
        if self.json {
            let object = match &checked {
                Ok(settings) => valid(settings, &warnings),
                Err(problems) => invalid(problems, &warnings),
            };
            terminal::print(&terminal::escaped_json(&object.to_string()));
            return if checked.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        let settings = match checked {
            Ok(settings) => settings,
            Err(problems) => return terminal::refuse(&problems),
        };
        terminal::print(&format!("{} is valid", settings.origin.file.display()));
        settings.listening.iter().for_each(|listener| terminal::print(&format!("  listener {listener}")));
        settings.summary.iter().for_each(|route| terminal::print(&format!("  route {route}")));
        warnings.iter().for_each(|text| terminal::print(&format!("  warning: {text}")));
        if self.live { live(settings, build_context) } else { ExitCode::SUCCESS }
    }
}

/// Tries what a configuration names, and reports problems of this machine last, where they are seen.
fn live(settings: Settings, build_context: &BuildContext) -> ExitCode {
    let (notes, problems) = places::try_all(&settings);
    notes.iter().for_each(|note| terminal::print(&format!("  {note}")));
    let tenants = if settings.tenants.has_single_use_login() {
        terminal::refuse(&"skipped: the wrapped secret id can be used only once")
    } else {
        match assembly::tenant_source(settings.tenants) {
            Ok(source) => tenants::check_live(
                source,
                &settings.watch.hosts,
                &settings.offers.bindings,
                (&settings.doctor, &build_context.tenants),
            ),
            Err(error) => terminal::fail(&Failure::system(error)),
        }
    };
    if problems.is_empty() { tenants } else { terminal::fail(&Failure::System(problems.join("\n"))) }
}

fn valid(settings: &Settings, warnings: &[String]) -> Value {
    json!({
        "file": settings.origin.file.display().to_string(),
        "digest": settings.origin.digest,
        "valid": true,
        "problems": [],
        "warnings": warnings,
        "listeners": settings.listening,
        "routes": settings.summary,
    })
}

fn invalid(problems: &Problems, warnings: &[String]) -> Value {
    let found: Vec<Value> =
        problems.iter().map(|(path, reason)| json!({ "path": path, "reason": reason })).collect();
    let file = problems.file().display().to_string();
    json!({ "file": file, "valid": false, "problems": found, "warnings": warnings })
}
