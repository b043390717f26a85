//! What this process needs before it starts others, which inherit it, and when it ends early.

use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::stage::LOAD_CORE;

/// Moves this process to the core of the load, and lets it open as many files as it may.
///
/// # Errors
///
/// There is no such core.
pub(crate) fn prepare() -> Result<(), String> {
    let own = std::process::id().to_string();
    let moved = Command::new("taskset").args(["-pc", LOAD_CORE, &own]).stdout(Stdio::null()).status();
    match moved {
        Ok(status) if status.success() => (),
        Ok(_) => return Err(format!("cannot run on core {LOAD_CORE}; two cores are needed")),
        Err(error) => return Err(format!("cannot start taskset: {error}")),
    }
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, all).map_err(|error| format!("cannot raise the limit of open files: {error}"))
}

/// Waits for SIGINT or SIGTERM, and returns what is then said. The caller drops what it measures, and with it the processes that
/// it started.
pub(crate) async fn interrupted() -> String {
    match either_signal().await {
        Ok(()) => "interrupted".to_owned(),
        Err(error) => format!("cannot wait for signals: {error}"),
    }
}

async fn either_signal() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
