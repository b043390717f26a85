//! Commands that open the store of events themselves, with an audit record before and after.
//!
//! An export shows bodies and so personal data, and a copy moves all of them. Whoever can read the files could do without
//! these commands; the records say who used them, and why.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use http::StatusCode;
use kyc_plugin_api::{AuditLog, Operations};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::audit::{Attempt, Audit, Peer};
use crate::cli::ConfigFile;
use crate::config::Settings;
use crate::instruments::Instruments;
use crate::registry::Registry;
use crate::remote::{Parameters, Why};
use crate::{assembly, config, terminal};

/// What is done to a store without a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Export,
    Copy,
}

/// Lets the plugin that keeps events do a command on its store.
pub(super) fn offline(
    file: &ConfigFile,
    registry: &Registry,
    instruments: &Instruments,
    (command, why): (Command, &Why),
    parameters: &Parameters,
) -> ExitCode {
    let attempt = match attempt(command, why, parameters) {
        Ok(attempt) => attempt,
        Err(reason) => return terminal::fail(&reason),
    };
    with_store(file, registry, instruments, parameters, |settings, events, query, out| {
        let records = assembly::records(&settings.offers, &settings.admin);
        terminal::wait_for(recorded(command, &attempt, records, (events, query, out)))
    })
}

/// The same for what only reads, and shows nothing of an event: without a record.
pub(super) fn unrecorded(
    file: &ConfigFile,
    registry: &Registry,
    instruments: &Instruments,
    command: &str,
    parameters: &Parameters,
) -> ExitCode {
    with_store(file, registry, instruments, parameters, |_, events, query, out| {
        terminal::wait_for(events.offline(command, query, out))
    })
}

fn with_store(
    file: &ConfigFile,
    registry: &Registry,
    instruments: &Instruments,
    parameters: &Parameters,
    work: impl FnOnce(&Settings, &dyn Operations, &str, &mut (dyn Write + Send)) -> Result<(), String>,
) -> ExitCode {
    let settings = match config::load(&file.config, registry, instruments, config::Purpose::Use) {
        Ok(settings) => settings,
        Err(problems) => return terminal::fail(&problems),
    };
    let Some(events) = settings.offers.operations.iter().find(|operations| operations.name() == "events")
    else {
        return terminal::fail(&"no route of this configuration stores events");
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut out = terminal::JsonLines::new(io::BufWriter::new(io::stdout()));
    let done = work(&settings, events.as_ref(), &query, &mut out);
    // What was written is shown, also when it is not all.
    let flushed = out.flush().map_err(|error| error.to_string());
    match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => terminal::fail(&reason),
    }
}

/// Does a command between its two records.
async fn recorded(
    command: Command,
    attempt: &Attempt,
    records: Arc<dyn AuditLog>,
    (events, query, out): (&dyn Operations, &str, &mut (dyn Write + Send)),
) -> Result<(), String> {
    if command == Command::Copy {
        // The records of the file come first, as otherwise the database would have a chain of its own.
        events.offline("copy-audit", query, &mut io::sink()).await?;
    }
    let refused = |error| format!("nothing was done, because this needs its audit record: {error}");
    records.open().await.map_err(refused)?;
    let audit = Arc::new(Audit::new(records));
    let begun = audit.begin(attempt).await.map_err(refused)?;
    let done = events.offline(command.name(), query, out).await;
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
fn attempt(command: Command, why: &Why, parameters: &Parameters) -> Result<Attempt, String> {
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
    fn name(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Copy => "copy",
        }
    }

    /// What it is called in a record.
    fn operation(self) -> &'static str {
        let [export, copy] = RECORDED;
        match self {
            Self::Export => export,
            Self::Copy => copy,
        }
    }
}

/// The operations of these commands in audit records.
pub(crate) const RECORDED: [&str; 2] = ["events.export", "events.copy"];
/// Login and role of whoever can open the store.
const BY_FILE: &str = "file";
