//! Commands that open the event store themselves. `export` and `copy` write an audit record before and after.
//!
//! An export shows bodies, which are personal data, and a copy moves all events. Someone who can read the files could do the same
//! without these commands; the records show who used them, and why. `backup` and `verify` need no record: a backup is encrypted
//! like the store, and a verification shows no data of events.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use http::StatusCode;
use kyc_admin::{Attempt, Audit, EventSelection, OFFLINE_OPERATIONS, Parameters, Peer, event_filter, export};
use kyc_events::{AuditLog, EventStore, Filter};
use serde_json::{Map, Value};

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::Failure;
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
    Copy(String),
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
) -> ExitCode {
    with_store(file, registry, build_context, |_, store, out| {
        let backup = async { store.backup(Path::new(to)).await.map_err(Failure::system) };
        let of = terminal::wait_for(backup)?;
        writeln!(
            out,
            "{to} is a complete backup of {}; it cannot be read without the store's key",
            of.display()
        )
        .map_err(Failure::system)
    })
}

/// Checks that a backup is complete and undamaged, and that the configured keys decrypt its events.
pub(super) fn verify(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    copy: &str,
) -> ExitCode {
    with_store(file, registry, build_context, |_, store, out| {
        let verify = async { store.verify(Path::new(copy)).await.map_err(Failure::system) };
        let verified = terminal::wait_for(verify)?;
        writeln!(out, "{copy} is whole: {verified}").map_err(Failure::system)?;
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
    if let Command::Copy(from) = command {
        // Copy the audit records of the file first: a record written before would start a new chain in the database.
        store.copy_audit_from(Path::new(from)).await.map_err(Failure::system)?;
    }
    let refused = |error| {
        Failure::System(format!("nothing was done, because the audit record cannot be written: {error}"))
    };
    records.open().await.map_err(refused)?;
    let audit = Arc::new(Audit::new(records));
    let begun = audit.begin(attempt).await.map_err(refused)?;
    let done = command.carry_out(store, out).await;
    let status = if done.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    if let Some(tries_again) = audit.end(attempt, begun, status, None).await {
        let ended = tries_again.await.map_err(|error| error.to_string());
        let ended = ended.and_then(|ended| ended.map_err(|error| error.to_string()));
        return done.and(ended.map(drop).map_err(|error| {
            Failure::System(format!("cannot write the end of audit record {begun}: {error}"))
        }));
    }
    done
}

/// The audit record of the command: its user, its reason, and the selected events.
fn attempt(command: &Command, why: &Why, parameters: &Parameters) -> Result<Attempt, Failure> {
    let uid = rustix::process::getuid().as_raw();
    let filter: Map<String, Value> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    Ok(Attempt {
        operator: Some(format!("uid {uid}")),
        subject: None,
        way: Some(BY_FILE),
        role: Some(BY_FILE),
        from: Peer::File { uid },
        operation: command.operation().to_owned(),
        filter,
        reason: Some(why.reason()?.as_str().to_owned()),
    })
}

// === impl Command ===

impl Command {
    async fn carry_out(&self, store: &EventStore, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
        match self {
            Self::Export(filter) => export(store, filter, out).await.map_err(Failure::System),
            Self::Copy(from) => {
                let done = store.copy_from(Path::new(from)).await.map_err(Failure::system)?;
                let audit = match done.has_audit {
                    true => "",
                    false => "; its audit records were not copied, because the database has its own",
                };
                writeln!(
                    out,
                    "{} events copied, {} were already in the database; the file is now {}{audit}",
                    done.copied,
                    done.already_copied,
                    done.renamed_to.display()
                )
                .map_err(Failure::system)
            }
        }
    }

    /// The name of the operation in an audit record.
    fn operation(&self) -> &'static str {
        let [export, copy] = OFFLINE_OPERATIONS;
        match self {
            Self::Export(_) => export,
            Self::Copy(_) => copy,
        }
    }
}

/// The login and the role in records of these commands: access to the store's files.
const BY_FILE: &str = "file";
