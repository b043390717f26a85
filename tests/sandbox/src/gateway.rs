//! The gateway as a process of its own, as operators run it.

mod log;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use log::Log;

/// A running gateway; dropping it kills it.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    log: Arc<Log>,
    main: SocketAddr,
    admin: SocketAddr,
    launch: Launch,
    _folder: Option<TempDir>,
}

/// What it was started with.
#[derive(Clone, Debug)]
struct Launch {
    binary: PathBuf,
    file: PathBuf,
    environment: Vec<(String, String)>,
}

/// Why there is no running gateway.
#[derive(Debug)]
pub enum StartError {
    /// The configuration could not be written, or the program not started.
    Io(io::Error),
    /// The gateway ended, or was not ready in time; this is what it wrote.
    NotReady(String),
}

// === impl Gateway ===

impl Gateway {
    /// Runs `binary` with this configuration, from a folder of its own, until it is ready to serve.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(
        binary: &Path,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self, StartError> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, configuration)?;
        let gateway = Self::start_with_file(binary, &file, environment).await?;
        Ok(Self { _folder: Some(folder), ..gateway })
    }

    /// Runs `binary` with the configuration in `file` until it is ready to serve.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start_with_file(
        binary: &Path,
        file: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self, StartError> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let launch =
            Launch { binary: binary.to_owned(), file: file.to_owned(), environment: environment.collect() };
        let log = Arc::new(Log::default());
        let (child, main, admin) = launch.run(&log).await?;
        Ok(Self { child, log, main, admin, launch, _folder: None })
    }

    /// Kills it as it stands, and starts it again with the same configuration.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn crash(&mut self) -> Result<(), StartError> {
        self.child.kill().await?;
        self.log.ended().await;
        // Its addresses are told anew.
        let log = Arc::new(Log::default());
        (self.child, self.main, self.admin) = self.launch.run(&log).await?;
        self.log = log;
        Ok(())
    }

    /// Where its first listener is.
    pub fn address(&self) -> SocketAddr {
        self.main
    }

    /// Where its admin listener is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// `http://…` of its first listener, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.main)
    }

    /// Where the listener of this name is; waits until the log has named it.
    pub async fn listener(&self, name: &str) -> SocketAddr {
        self.log.listener(name).await
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until a line of the log holds `text`, and says which.
    ///
    /// # Errors
    ///
    /// [`NotSeen`](crate::journal::NotSeen) after half a minute.
    pub async fn wait_for_log(&self, text: &str) -> Result<String, crate::journal::NotSeen> {
        self.log.wait_for(text).await
    }

    /// The process id; none once it was waited for.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    ///
    /// `kill` could not be run.
    pub async fn terminate(&self) -> io::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await.map(|_| ())
    }

    /// Sends SIGTERM, waits for the end, and says how it ended and everything it wrote.
    ///
    /// # Errors
    ///
    /// The process could not be waited for.
    pub async fn stop(mut self) -> io::Result<(ExitStatus, String)> {
        self.terminate().await?;
        let status = self.child.wait().await?;
        self.log.ended().await;
        Ok((status, self.log.text()))
    }

    /// Kills it without any warning (SIGKILL) and waits for the end.
    ///
    /// # Errors
    ///
    /// The process could not be waited for.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}

/// The `kyc-gateway` that was built next to the running program.
///
/// # Panics
///
/// When it was not built, saying how to.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    // Programs are in `target/<profile>`, tests in `target/<profile>/deps`.
    let found =
        own.ancestors().skip(1).take(2).map(|folder| folder.join("kyc-gateway")).find(|path| path.is_file());
    #[expect(clippy::panic, reason = "a test cannot go on, and this says what to do")]
    let Some(binary) = found else {
        panic!("kyc-gateway is not built; run: cargo build -p kyc-gateway");
    };
    binary
}

// === impl Launch ===

impl Launch {
    /// Starts the process, and waits until it is ready; says where its listeners are.
    async fn run(&self, log: &Arc<Log>) -> Result<(Child, SocketAddr, SocketAddr), StartError> {
        let mut child = Command::new(&self.binary)
            .arg("run")
            .arg("--config")
            .arg(&self.file)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        log.follow(child.stdout.take());
        log.follow(child.stderr.take());
        let ready = async {
            let admin = log.listener("admin").await;
            let main = log.first_public_listener().await;
            while !is_ready(admin).await {
                sleep(POLL).await;
            }
            (main, admin)
        };
        let started = tokio::select! {
            addresses = timeout(PATIENCE, ready) => addresses.ok(),
            _ = child.wait() => None,
        };
        match started {
            Some((main, admin)) => Ok((child, main, admin)),
            None => {
                // Its last words may still be on their way through the pipe.
                let _ = child.kill().await;
                log.ended().await;
                Err(StartError::NotReady(log.text()))
            }
        }
    }
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

/// Asks `/readyz` over a plain connection.
async fn is_ready(admin: SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let Ok(mut stream) = tokio::net::TcpStream::connect(admin).await else { return false };
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    // A broken connection is an answer that says no.
    let _ = stream.read_to_end(&mut answer).await;
    answer.starts_with(b"HTTP/1.1 200")
}

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Gateway, StartError};

    #[tokio::test]
    async fn program_that_ends_at_once_is_reported_with_its_last_words() {
        let shell = Path::new("/bin/sh"); // It takes "run" for a script that is not there.

        let result = Gateway::start(shell, "", &[]).await;

        let Err(StartError::NotReady(log)) = result else { panic!("a shell is no gateway") };
        assert!(log.contains("run"), "{log}");
    }
}
