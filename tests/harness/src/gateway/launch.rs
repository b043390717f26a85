//! Starts a gateway by its command line, and waits until it is ready.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::log::Log;
use crate::process::{LONGEST_WAIT, POLL, Process};

/// The command line of a gateway. It can be started repeatedly.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    config: PathBuf,
    environment: Vec<(String, String)>,
    through: Vec<OsString>,
}

/// The outcome of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The gateway is ready.
    Ready,
    /// The gateway exited before it was ready.
    Ended(ExitStatus),
    /// The gateway runs, but was not ready within a minute.
    Late,
}

// === impl Launch ===

impl Launch {
    /// `PROGRAM run --config CONFIG`.
    pub fn new(program: impl Into<PathBuf>, config: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), config: config.into(), environment: Vec::new(), through: Vec::new() }
    }

    /// Adds environment variables.
    #[must_use]
    pub fn environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Starts the gateway through another program, which gets the gateway's command line as its last arguments.
    #[must_use]
    pub fn through(mut self, command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.through = command.into_iter().map(Into::into).collect();
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub fn spawn(&self, output: Stdio, errors: Stdio) -> io::Result<Process> {
        let words = self.through.iter().map(OsString::as_os_str).chain([self.program.as_os_str()]);
        let mut words = words.collect::<Vec<_>>().into_iter();
        let first = words.next().unwrap_or(self.program.as_os_str());
        let mut command = Command::new(first);
        command.args(words).args(["run", "--config"]).arg(&self.config);
        // A test that runs in a service or a container must not report to its manager.
        command.env_remove("NOTIFY_SOCKET");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Process::spawn(command.stdin(Stdio::null()).stdout(output).stderr(errors))
    }

    /// Starts the process, and reads its output.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub fn spawn_logged(&self) -> io::Result<(Process, Arc<Log>)> {
        let mut process = self.spawn(Stdio::piped(), Stdio::piped())?;
        let log = Log::new();
        log.follow(process.take_output());
        log.follow(process.take_errors());
        Ok((process, log))
    }
}

/// Waits until a gateway is ready or has exited.
///
/// # Errors
///
/// When waiting for the process fails.
pub async fn until_ready(process: &mut Process, admin: SocketAddr) -> io::Result<Start> {
    tokio::select! {
        biased;
        status = process.wait() => Ok(Start::Ended(status?)),
        is_ready = becomes_ready(admin) => Ok(if is_ready { Start::Ready } else { Start::Late }),
    }
}

/// Polls a gateway until it is ready, for at most a minute.
pub async fn becomes_ready(admin: SocketAddr) -> bool {
    let asking = async {
        while !is_ready(admin).await {
            sleep(POLL).await;
        }
    };
    timeout(LONGEST_WAIT, asking).await.is_ok()
}

/// Requests `/readyz` over a TCP connection.
async fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin).await else { return false };
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    // A broken connection is an answer that says no.
    let _ = stream.read_to_end(&mut answer).await;
    answer.starts_with(b"HTTP/1.1 200")
}
