//! Runs the gateway as a separate process, like operators do.

mod launch;
mod log;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use tokio::time::timeout;

use crate::process::{LONGEST_WAIT, Process};
pub use launch::{Launch, Start, becomes_ready, until_ready};
pub use log::Log;
pub use settings::with_dotted_keys_first;

/// A running gateway. It is killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    log: Arc<Log>,
    main: SocketAddr,
    admin: SocketAddr,
    launch: Launch,
}

/// Why a gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The program could not be started.
    Io(io::Error),
    /// The gateway exited, or was not ready in time. Contains its output.
    NotReady(String),
}

// === impl Gateway ===

impl Gateway {
    /// Starts the gateway, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(launch: Launch) -> Result<Self, StartError> {
        let (mut process, log) = launch.spawn_logged()?;
        match addresses_when_ready(&mut process, &log).await? {
            Some((main, admin)) => Ok(Self { process, log, main, admin, launch }),
            None => {
                // The last lines may still be in the pipe.
                process.kill().await?;
                log.ended().await;
                Err(StartError::NotReady(log.text()))
            }
        }
    }

    /// Kills the gateway (SIGKILL), and starts it again with the same configuration.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn crash(&mut self) -> Result<(), StartError> {
        self.process.kill().await?;
        self.log.ended().await;
        *self = Self::start(self.launch.clone()).await?;
        Ok(())
    }

    /// The address of its first listener.
    pub fn address(&self) -> SocketAddr {
        self.main
    }

    /// The address of its admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The URL `http://…` of its first listener, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.main)
    }

    /// The output of the gateway.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends SIGTERM and waits for the exit. Returns the exit status and the whole output.
    ///
    /// # Errors
    ///
    /// When waiting for the process fails.
    pub async fn stop(mut self) -> io::Result<(ExitStatus, String)> {
        self.process.signal("-TERM")?;
        let status = self.process.wait().await?;
        self.log.ended().await;
        Ok((status, self.log.text()))
    }
}

/// Waits until the gateway is ready. Returns the addresses of its first listener and its admin listener; `None` after the timeout.
async fn addresses_when_ready(
    process: &mut Process,
    log: &Log,
) -> io::Result<Option<(SocketAddr, SocketAddr)>> {
    let addresses = async { (log.first_public_listener().await, log.listener("admin").await) };
    let found = tokio::select! {
        found = timeout(LONGEST_WAIT, addresses) => found.ok(),
        _ = process.wait() => None,
    };
    let Some((main, admin)) = found else { return Ok(None) };
    Ok((until_ready(process, admin).await? == Start::Ready).then_some((main, admin)))
}

/// A program of the workspace that was built next to the running one.
///
/// # Panics
///
/// When it is not built. The message has the command to build it.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    // Programs are in `target/<profile>`, tests in `target/<profile>/deps`.
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    #[expect(clippy::panic, reason = "a test cannot go on, and this says what to do")]
    let Some(binary) = found else {
        panic!("{name} is not built: run `cargo build --workspace --bins` first");
    };
    binary
}

// === impl StartError ===

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the gateway did not start: {error}"),
            Self::NotReady(log) => write!(f, "the gateway was not ready; it wrote:\n{log}"),
        }
    }
}

impl std::error::Error for StartError {}

#[cfg(test)]
mod tests {
    use super::{Gateway, Launch, StartError};

    #[tokio::test]
    async fn program_that_ends_at_once_is_reported_with_its_last_words() {
        let shell = Launch::new("/bin/sh", "gateway.toml"); // It takes "run" for a script that is not there.

        let result = Gateway::start(shell).await;

        let Err(StartError::NotReady(log)) = result else { panic!("a shell is no gateway") };
        assert!(log.contains("run"), "{log}");
    }
}
