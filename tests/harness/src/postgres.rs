//! A temporary PostgreSQL server, from Debian's packages.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ports::free_address;

/// A running server with one empty database. When dropped, it is stopped immediately.
#[derive(Debug)]
pub struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    server: Child,
}

// === impl Postgres ===

impl Postgres {
    /// Creates a cluster and starts it.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed, or does not start.
    pub fn start() -> io::Result<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
        let data = folder.path().join("data");
        let made = as_user(&programs.join("initdb"))?
            .args(["--auth=trust", "--username=kyc", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            return Err(io::Error::other("initdb failed"));
        }
        let port = free_address()?.port();
        let server = serve(&programs, folder.path(), port)?;
        let postgres = Self { folder, programs, port, server };
        postgres.wait_until_ready()?;
        Ok(postgres)
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        format!("postgres://kyc@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills the server (SIGKILL) with all its connections, and starts it again on the same files.
    ///
    /// # Errors
    ///
    /// When it does not start again.
    pub fn crash(&mut self) -> io::Result<()> {
        self.stop();
        self.start_again()
    }

    /// Starts a stopped server again on the same files.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.server = serve(&self.programs, self.folder.path(), self.port)?;
        self.wait_until_ready()
    }

    /// Terminates every connection of a gateway.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub fn terminate_connections(&self) -> io::Result<()> {
        let of_gateways =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kyc-gateway'";
        self.query(of_gateways).map(drop)
    }

    /// Runs a statement. Returns one line for each row, without padding.
    ///
    /// # Errors
    ///
    /// The error of the server.
    pub fn query(&self, statement: &str) -> io::Result<String> {
        let done = Command::new(self.programs.join("psql"))
            .args(["-qAt", "-d", &self.url(), "-c", statement])
            .output()?;
        match done.status.success() {
            true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
            false => Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned())),
        }
    }

    /// Runs the statements of a file, such as a dump.
    ///
    /// # Errors
    ///
    /// The error of the server.
    pub fn load(&self, file: &Path) -> io::Result<()> {
        let done = Command::new(self.programs.join("psql"))
            .args(["-qX", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-f"])
            .arg(file)
            .output()?;
        match done.status.success() {
            true => Ok(()),
            false => Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned())),
        }
    }

    /// Stops the server without a checkpoint, as when it is killed.
    pub fn stop(&mut self) {
        // SIGKILL would leave child processes behind that keep shared memory. SIGQUIT stops them without writing anything to disk. If
        // the server has already ended, the signal fails, which does not matter.
        let _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let port = self.port.to_string();
        while Instant::now() < deadline {
            let asked = Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "kyc", "-t", "1"])
                .status()?;
            if asked.success() {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err(io::Error::other("PostgreSQL does not become ready"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(programs: &Path, folder: &Path, port: u16) -> io::Result<Child> {
    as_user(&programs.join("postgres"))?
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// PostgreSQL refuses to run as root; then it runs as the user `postgres` of its package.
fn as_user(program: &Path) -> io::Result<Command> {
    let number = |option: &str, user: &[&str]| -> io::Result<u32> {
        let output = Command::new("id").arg(option).args(user).output()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().map_err(io::Error::other)
    };
    let mut command = Command::new(program);
    command.current_dir("/");
    if number("-u", &[])? == 0 {
        command.uid(number("-u", &["postgres"])?).gid(number("-g", &["postgres"])?);
    }
    Ok(command)
}

/// Debian installs the server of each version in a separate folder.
fn programs() -> io::Result<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")?
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().ok_or_else(|| io::Error::other("PostgreSQL is not installed"))
}
