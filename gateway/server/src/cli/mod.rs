//! The command line: serves, checks a configuration, and operates a running gateway or its event store.

mod audit;
mod audit_record;
mod check;
mod checks;
mod config_file;
mod events;
mod failure;
mod generate;
mod health;
mod output;
mod places;
mod progress;
mod remote;
mod setup;
mod table;
mod tenants;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::build::LONG_VERSION;
use crate::cli::audit::AuditCommand;
use crate::cli::check::CheckCommand;
use crate::cli::checks::Checks;
use crate::cli::config_file::ConfigFile;
use crate::cli::events::Events;
use crate::cli::failure::Failure;
use crate::cli::generate::GenerateCommand;
use crate::cli::health::HealthCommand;
use crate::cli::tenants::TenantsCommand;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;
use crate::{assembly, config};

/// A gateway between FintechOS and Onfido.
#[derive(Parser)]
#[command(name = "kyc-gateway", version, long_version = LONG_VERSION, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGTERM (finishes requests in flight) or SIGINT (stops at once).
    Run(ConfigFile),
    /// Reports every problem of a configuration; exits with 1 when there is one.
    Check(CheckCommand),
    /// Asks a running gateway whether it is ready; exits with 1 when it is not, and with 3 when it does not answer within 3 seconds.
    Health(HealthCommand),
    /// Tenants: add, remove, rotate, test; and of a running gateway: list, reload, probe.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Stored events: list, show, replay, discard, reassign and rekey those of a running gateway; export or copy a store.
    #[command(subcommand)]
    Events(Box<Events>),
    /// Started checks and workflow runs of a running gateway: list, show, those whose results are overdue.
    #[command(subcommand)]
    Checks(Checks),
    /// Audit records of operators' changes: list those of a running gateway, verify the chain.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Manual pages and completions, for packages.
    #[command(subcommand, hide = true)]
    Generate(GenerateCommand),
}

/// Runs the command.
pub(crate) fn execute(registry: &Registry) -> ExitCode {
    let arguments = Arguments::parse();
    let build_context = match BuildContext::new() {
        Ok(build_context) => build_context,
        Err(error) => return terminal::fail(&Failure::system(error)),
    };
    if let Some(kind) = registry.duplicate() {
        return terminal::refuse(&format!("two plugins are called `{kind}`"));
    }
    match arguments.command {
        Command::Events(events) => events.execute(registry, &build_context),
        Command::Checks(checks) => checks.execute(),
        Command::Audit(audit) => audit.execute(registry, &build_context),
        Command::Run(file) => {
            match config::load(&file.path(), registry, &build_context, config::Purpose::Use) {
                Ok(settings) => match assembly::serve(settings, build_context) {
                    Ok(never) => match never {},
                    Err(error) => terminal::fail(&Failure::system(error)),
                },
                Err(problems) => terminal::refuse(&problems),
            }
        }
        Command::Health(health) => health.execute(),
        Command::Tenants(tenants) => tenants.execute(registry, &build_context),
        Command::Generate(generate) => generate.execute(Arguments::command()),
        Command::Check(check) => check.execute(registry, &build_context),
    }
}

#[cfg(test)]
mod tests;
