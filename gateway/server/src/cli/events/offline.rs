//! Commands that open the event store themselves. `export` and `copy` write an audit record before and after.
//!
//! An export shows bodies, which are personal data, and a copy moves all events. Someone who can read the files could do the same
//! without these commands; the records show who used them, and why. `backup` and `verify` need no record: a backup is encrypted
//! like the store, and a verification shows no data of events.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use kyc_admin::{Attempt, EventSelection, OfflineOperation, Parameters, event_filter, export};
use kyc_events::{AuditLog, EventStore, Filter};
use serde_json::{Map, Value, json};

use crate::cli::audit_record;
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::progress::{Shown, as_report};
use crate::cli::remote::Why;
use crate::cli::terminal;
use crate::config::Settings;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;
use crate::{assembly, config};

/// A command on a store without a gateway that needs audit records.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// Writes events with their bodies.
    Export(Box<Filter>),
    /// Moves a SQLite file into the database.
    Copy(String, Output),
}

/// Runs a command on the store, with its audit records.
pub(super) fn offline(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    (command, why): (&Command, &Why),
    parameters: &Parameters,
) -> ExitCode {
    let attempt = match attempt(command, why, parameters) {
        Ok(attempt) => attempt,
        Err(failure) => return terminal::fail(&failure),
    };
    with_store(file, registry, build_context, |settings, store, out| {
        terminal::wait_for(recorded(command, &attempt, assembly::audit_log(settings), (store, out)))
    })
}

/// Builds the export of the events that the command line selects.
pub(super) fn export_of(selection: EventSelection) -> Result<Command, String> {
    Ok(Command::Export(Box::new(event_filter(selection)?)))
}

/// Writes a backup of the store to a new file.
pub(super) fn backup(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    to: &str,
    output: Output,
) -> ExitCode {
    with_store(file, registry, build_context, |_, store, out| {
        let backup = async { store.backup(Path::new(to)).await.map_err(Failure::system) };
        let shown = Shown::of_time("writing the backup");
        let of = terminal::wait_for(backup)?;
        drop(shown);
        let of = of.display();
        let text = || format!("{to} is a complete backup of {of}; it cannot be read without the store's key");
        let line = output.line(text, || json!({ "backup": to, "of": of.to_string() }));
        writeln!(out, "{line}").map_err(Failure::system)
    })
}

/// Checks that a backup is complete and undamaged, and that the configured keys decrypt its events.
pub(super) fn verify(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    copy: &str,
    output: Output,
) -> ExitCode {
    with_store(file, registry, build_context, |_, store, out| {
        let verify = async { store.verify(Path::new(copy)).await.map_err(Failure::system) };
        let shown = Shown::of_time("reading the backup");
        let verified = terminal::wait_for(verify)?;
        drop(shown);
        let json = || {
            let (events, undecryptable) = (&verified.events, verified.undecryptable);
            json!({ "backup": copy, "whole": true, "events": events, "undecryptable": undecryptable })
        };
        let line = output.line(|| format!("{copy} is whole: {verified}"), json);
        writeln!(out, "{line}").map_err(Failure::system)?;
        match verified.undecryptable {
            0 => Ok(()),
            undecryptable => {
                Err(Failure::Refused(format!("the configured keys do not decrypt {undecryptable} events")))
            }
        }
    })
}

fn with_store(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    work: impl FnOnce(&Settings, &EventStore, &mut (dyn Write + Send)) -> Result<(), Failure>,
) -> ExitCode {
    let settings = match config::load(&file.path(), registry, build_context, config::Purpose::Use) {
        Ok(settings) => settings,
        Err(problems) => return terminal::refuse(&problems),
    };
    let Some(delivery) = &settings.delivery else {
        return terminal::refuse(
            &"this configuration stores no events: it has no route with the plugin `webhook`, or delivery.mode is \"direct\"",
        );
    };
    let mut out = terminal::JsonLines::new(io::BufWriter::new(io::stdout()));
    let done = work(&settings, delivery.store(), &mut out);
    // Also flush after an error, so that the part that was written is shown.
    let flushed = out.flush().map_err(Failure::system);
    match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => terminal::fail(&failure),
    }
}

/// Runs a command between its two audit records.
async fn recorded(
    command: &Command,
    attempt: &Attempt,
    records: Arc<dyn AuditLog>,
    (store, out): (&EventStore, &mut (dyn Write + Send)),
) -> Result<(), Failure> {
    if let Command::Copy(from, _) = command {
        // Copy the audit records of the file first: a record written before would start a new chain in the database.
        store.copy_audit_from(Path::new(from)).await.map_err(Failure::system)?;
    }
    records.open().await.map_err(audit_record::unrecorded)?;
    let recorded = audit_record::with_records(records, attempt, command.carry_out(store, out)).await?;
    recorded.missing_end.map_or(Ok(()), Err)
}

/// The audit record of the command: its user, its reason, and the selected events.
fn attempt(command: &Command, why: &Why, parameters: &Parameters) -> Result<Attempt, Failure> {
    let filter: Map<String, Value> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    Ok(audit_record::attempt(command.operation(), filter, &why.reason()?))
}

// === impl Command ===

impl Command {
    async fn carry_out(&self, store: &EventStore, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
        match self {
            Self::Export(filter) => {
                let shown = Shown::of_events("exporting");
                let report = shown.report();
                export(store, filter, out, as_report(report.as_ref())).await.map_err(Failure::System)
            }
            Self::Copy(from, output) => {
                let shown = Shown::of_events("copying");
                let report = shown.report();
                let done = store.copy_from(Path::new(from), as_report(report.as_ref())).await;
                drop(shown);
                let done = done.map_err(Failure::system)?;
                let audit = match done.has_audit {
                    true => "",
                    false => "; its audit records were not copied, because the database has its own",
                };
                let (copied, already, file) =
                    (done.copied, done.already_copied, done.renamed_to.display().to_string());
                let text = || {
                    format!(
                        "{copied} events copied, {already} were already in the database; the file is now {file}{audit}"
                    )
                };
                let json = || {
                    let audit = done.has_audit;
                    json!({ "copied": copied, "already_copied": already, "renamed_to": file, "audit_copied": audit })
                };
                writeln!(out, "{}", output.line(text, json)).map_err(Failure::system)
            }
        }
    }

    /// The operation in an audit record.
    fn operation(&self) -> OfflineOperation {
        match self {
            Self::Export(_) => OfflineOperation::ExportEvents,
            Self::Copy(..) => OfflineOperation::CopyEvents,
        }
    }
}
