//! A gateway as a process that comes and goes at one place.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use kyc_harness::ports::free_address;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::Failure;
use crate::fleet::Plan;

/// One gateway's place: its process comes and goes.
#[derive(Debug)]
pub struct Gateway {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    /// Where notifications go.
    pub address: SocketAddr,
    admin: SocketAddr,
    child: Option<Child>,
    /// Variables that each process is started with.
    pub(crate) environment: Vec<(String, String)>,
}

// === impl Gateway ===

impl Gateway {
    pub(crate) fn place(folder: &Path, number: usize, plan: &Plan, webhook: &str) -> Result<Self, Failure> {
        let (address, admin) = (free_address()?, free_address()?);
        let config = folder.join(format!("gateway-{number}.toml"));
        let text = format!(
            "[downstream]\nmax_connections = 4096\n[[listeners]]\nname = \"main\"\naddress = \"{address}\"\n\
             [admin]\naddress = \"{admin}\"\n[tenants]\nsource = \"file\"\n\
             [[routes]]\nname = \"webhook\"\npaths = [\"/dcs/kyc2/webhook/notify/{{configurationName}}\"]\n\
             methods = [\"POST\"]\n[[routes.plugins]]\nplugin = \"webhook\"\n{webhook}"
        );
        fs::write(&config, text)?;
        let log = folder.join(format!("gateway-{number}.log"));
        Ok(Self {
            binary: plan.binary.clone(),
            config,
            log,
            address,
            admin,
            child: None,
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
        let mut command = Command::new(&self.binary);
        command.args(["run", "--config"]).arg(&self.config).envs(self.environment.iter().cloned());
        if let Some((name, count)) = point {
            command.env(POINT, format!("{name}:{count}"));
        }
        let errors = log.try_clone()?;
        let mut child = command.stdin(Stdio::null()).stdout(log).stderr(errors).kill_on_drop(true).spawn()?;
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if child.try_wait()?.is_some() {
                return match point {
                    Some(_) => Ok(false),
                    None => Err(Failure(format!("the gateway ended:\n{}", tail(&self.log)))),
                };
            }
            if is_ready(self.admin).await {
                self.child = Some(child);
                return Ok(true);
            }
            sleep(Duration::from_millis(2)).await;
        }
        Err(Failure(format!("the gateway does not become ready:\n{}", tail(&self.log))))
    }

    /// Kills the process as it stands.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Waits until the process has ended by itself; kills it when that takes too long, and says which it was.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub async fn ended(&mut self, patience: Duration) -> Result<bool, Failure> {
        let Some(mut child) = self.child.take() else { return Ok(true) };
        if timeout(patience, child.wait()).await.is_ok() {
            return Ok(true);
        }
        child.kill().await?;
        Ok(false)
    }

    /// Ends the process by SIGTERM.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub async fn stop(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.signal("-TERM").await?;
        match self.child.take() {
            Some(mut child) => Ok(Some(child.wait().await?)),
            None => Ok(None),
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// `kill` cannot be run.
    pub async fn signal(&self, name: &str) -> Result<(), Failure> {
        if let Some(pid) = self.child.as_ref().and_then(Child::id) {
            Command::new("kill").args([name, &pid.to_string()]).status().await?;
        }
        Ok(())
    }

    /// Memory of the process now and at its peak, in MiB.
    pub fn memory(&self) -> (u64, u64) {
        let pid = self.child.as_ref().and_then(Child::id).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib: u64 =
                line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
            kib / 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    // It listens before it is ready, and answers from then on.
    if TcpStream::connect(admin).await.is_err() {
        return false;
    }
    reqwest::get(format!("http://{admin}/readyz")).await.is_ok_and(|answer| answer.status() == 200)
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

/// The variable that names a point of `failing-gateway`.
pub const POINT: &str = "FAIL_AT";
const READY: Duration = Duration::from_secs(60);
