//! A gateway as a process that comes and goes at one place.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use kyc_harness::gateway::{Launch, Start, until_ready, with_dotted_keys_first};
use kyc_harness::ports::free_addresses;
use kyc_harness::process::{Process, memory};
use tokio::time::timeout;

use crate::Failure;

/// One gateway's place: its process comes and goes.
#[derive(Debug)]
pub struct Gateway {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    /// Where notifications go.
    pub address: SocketAddr,
    admin: SocketAddr,
    process: Option<Process>,
    /// Variables that each process is started with.
    pub(crate) environment: Vec<(String, String)>,
}

// === impl Gateway ===

impl Gateway {
    pub(crate) fn place(folder: &Path, number: usize, binary: &Path, webhook: &str) -> Result<Self, Failure> {
        let [address, admin] = free_addresses()?;
        let config = folder.join(format!("gateway-{number}.toml"));
        let text = format!(
            "[downstream]\nmax_connections = 4096\n[[listeners]]\nname = \"main\"\naddress = \"{address}\"\n\
             [admin]\naddress = \"{admin}\"\n[doctor]\nenabled = false\n[tenants]\nsource = \"file\"\n\
             [[routes]]\nname = \"webhook\"\npaths = [\"/dcs/kyc2/webhook/notify/{{configurationName}}\"]\n\
             methods = [\"POST\"]\n[[routes.plugins]]\nplugin = \"webhook\"\n{webhook}"
        );
        fs::write(&config, with_dotted_keys_first(&text))?;
        let log = folder.join(format!("gateway-{number}.log"));
        Ok(Self {
            binary: binary.to_owned(),
            config,
            log,
            address,
            admin,
            process: None,
            environment: Vec::new(),
        })
    }

    /// Where operators ask.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The program.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// What it writes goes here.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Starts the process; with a point it ends itself there, after so many passages. Says whether it became ready
    /// before.
    ///
    /// # Errors
    ///
    /// It does not become ready.
    pub async fn start(&mut self, point: Option<(&str, u32)>) -> Result<bool, Failure> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let errors = log.try_clone()?;
        let launch = Launch::new(&self.binary, &self.config).environment(self.environment.iter().cloned());
        let launch = launch.environment(point.map(|(name, count)| (POINT, format!("{name}:{count}"))));
        let mut process = launch.spawn(log.into(), errors.into())?;
        match until_ready(&mut process, self.admin).await? {
            Start::Ready => {
                self.process = Some(process);
                Ok(true)
            }
            Start::Ended(_) if point.is_some() => Ok(false),
            Start::Ended(_) => Err(Failure(format!("the gateway ended:\n{}", tail(&self.log)))),
            Start::Late => Err(Failure(format!("the gateway does not become ready:\n{}", tail(&self.log)))),
        }
    }

    /// Kills the process as it stands.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Waits until the process has ended by itself; kills it when that takes too long, and says which it was.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub async fn ended(&mut self, patience: Duration) -> Result<bool, Failure> {
        let Some(mut process) = self.process.take() else { return Ok(true) };
        if timeout(patience, process.wait()).await.is_ok() {
            return Ok(true);
        }
        process.kill().await?;
        Ok(false)
    }

    /// Ends the process by SIGTERM.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub async fn stop(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.signal("-TERM").await?;
        match self.process.take() {
            Some(mut process) => Ok(Some(process.wait().await?)),
            None => Ok(None),
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// It runs no more.
    pub async fn signal(&self, name: &str) -> Result<(), Failure> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(name)).map_err(Failure::from)
    }

    /// Memory of the process now and at its peak, in MiB.
    pub fn memory(&self) -> (u64, u64) {
        let memory = self.process.as_ref().map(|process| memory(process.pid())).unwrap_or_default();
        (memory.now / 1024, memory.peak / 1024)
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

/// The variable that names a point of `failing-gateway`.
pub const POINT: &str = "FAIL_AT";
