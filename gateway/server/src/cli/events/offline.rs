//! Commands that open the store of events themselves, with an audit record before and after.
//!
//! An export shows bodies and so personal data, and a copy moves all of them. Whoever can read the files could do without
//! these commands; the records say who used them, and why. A backup is sealed like the store, and a verification shows
//! nothing of an event: they need no record.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use http::StatusCode;
use kyc_admin::{Attempt, Audit, EventSelection, OFFLINE_OPERATIONS, Parameters, Peer, event_filter, export};
use kyc_events::{AuditLog, EventStore, Filter};
use serde_json::{Map, Value};

use crate::cli::config_file::ConfigFile;
use crate::cli::remote::Why;
use crate::cli::terminal;
use crate::config::Settings;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;
use crate::{assembly, config};

/// What is done to a store without a gateway, and shows or moves what is in it.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// Writes events with their bodies.
    Export(Box<Filter>),
    /// Moves a SQLite file into the database.
    Copy(String),
}

/// Does a command on the store, with its audit records.
pub(super) fn offline(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    (command, why): (&Command, &Why),
    parameters: &Parameters,
) -> ExitCode {
    let attempt = match attempt(command, why, parameters) {
        Ok(attempt) => attempt,
        Err(reason) => return terminal::fail(&reason),
    };
    with_store(file, registry, build_context, |settings, store, out| {
        terminal::wait_for(recorded(command, &attempt, assembly::audit_log(settings), (store, out)))
    })
}

/// The export of the events that a command line selects.
pub(super) fn export_of(selection: EventSelection) -> Result<Command, String> {
    Ok(Command::Export(Box::new(event_filter(selection)?)))
}

/// Writes the whole store into a new file.
pub(super) fn backup(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    to: &str,
) -> ExitCode {
    with_store(file, registry, build_context, |_, store, out| {
        let backup = async { store.backup(Path::new(to)).await.map_err(|error| error.to_string()) };
        let of = terminal::wait_for(backup)?;
        writeln!(out, "{to} holds all of {}; keep the key with it", of.display())
            .map_err(|error| error.to_string())
    })
}

/// Checks that a copy of a store is whole, and opens with the configured keys.
pub(super) fn verify(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    copy: &str,
) -> ExitCode {
    with_store(file, registry, build_context, |_, store, out| {
        let verify = async { store.verify(Path::new(copy)).await.map_err(|error| error.to_string()) };
        let verified = terminal::wait_for(verify)?;
        writeln!(out, "{copy} is whole: {verified}").map_err(|error| error.to_string())?;
        match verified.unopened {
            0 => Ok(()),
            unopened => Err(format!("{unopened} events do not open with the configured keys")),
        }
    })
}

fn with_store(
    file: &ConfigFile,
    registry: &Registry,
    build_context: &BuildContext,
    work: impl FnOnce(&Settings, &EventStore, &mut (dyn Write + Send)) -> Result<(), String>,
) -> ExitCode {
    let settings = match config::load(&file.config, registry, build_context, config::Purpose::Use) {
        Ok(settings) => settings,
        Err(problems) => return terminal::fail(&problems),
    };
    let Some(delivery) = &settings.delivery else {
        return terminal::fail(
            &"this configuration stores no events: it has no route with the plugin `webhook`, or delivery.mode is \"direct\"",
        );
    };
    let mut out = terminal::JsonLines::new(io::BufWriter::new(io::stdout()));
    let done = work(&settings, delivery.store(), &mut out);
    // What was written is shown, also when it is not all.
    let flushed = out.flush().map_err(|error| error.to_string());
    match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => terminal::fail(&reason),
    }
}

/// Does a command between its two records.
async fn recorded(
    command: &Command,
    attempt: &Attempt,
    records: Arc<dyn AuditLog>,
    (store, out): (&EventStore, &mut (dyn Write + Send)),
) -> Result<(), String> {
    if let Command::Copy(from) = command {
        // The records of the file come first, as otherwise the database would have a chain of its own.
        store.copy_audit_from(Path::new(from)).await.map_err(|error| error.to_string())?;
    }
    let refused = |error| format!("nothing was done, because this needs its audit record: {error}");
    records.open().await.map_err(refused)?;
    let audit = Arc::new(Audit::new(records));
    let begun = audit.begin(attempt).await.map_err(refused)?;
    let done = command.carry_out(store, out).await;
    let status = if done.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    if let Some(tries_again) = audit.end(attempt, begun, status, None).await {
        let ended = tries_again.await.map_err(|error| error.to_string());
        let ended = ended.and_then(|ended| ended.map_err(|error| error.to_string()));
        return done.and(
            ended.map(drop).map_err(|error| format!("the end of record {begun} is not recorded: {error}")),
        );
    }
    done
}

/// Who runs this, what for, and on which events.
fn attempt(command: &Command, why: &Why, parameters: &Parameters) -> Result<Attempt, String> {
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
    async fn carry_out(&self, store: &EventStore, out: &mut (dyn Write + Send)) -> Result<(), String> {
        match self {
            Self::Export(filter) => export(store, filter, out).await,
            Self::Copy(from) => {
                let done = store.copy_from(Path::new(from)).await.map_err(|error| error.to_string())?;
                let audit = match done.has_audit {
                    true => "",
                    false => "; its audit records stay there, since the database has its own",
                };
                writeln!(
                    out,
                    "{} events copied, {} were there; the file is {} now{audit}",
                    done.copied,
                    done.known,
                    done.aside.display()
                )
                .map_err(|error| error.to_string())
            }
        }
    }

    /// What it is called in a record.
    fn operation(&self) -> &'static str {
        let [export, copy] = OFFLINE_OPERATIONS;
        match self {
            Self::Export(_) => export,
            Self::Copy(_) => copy,
        }
    }
}

/// Login and role of whoever can open the store.
const BY_FILE: &str = "file";
