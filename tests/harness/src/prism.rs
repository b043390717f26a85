//! Prism, which checks requests and responses against Onfido's OpenAPI description.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::gateway::Log;
use crate::ports::free_address;
use crate::process::{LONGEST_WAIT, Process};
use crate::tools::{project, tools};

/// A running Prism. It is killed when dropped.
#[derive(Debug)]
pub struct Prism {
    _process: Process,
    _description: tempfile::NamedTempFile,
    address: SocketAddr,
    log: Arc<Log>,
}

// === impl Prism ===

impl Prism {
    /// Starts a mock of Onfido, which refuses requests that violate the description.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn mock() -> io::Result<Self> {
        Self::start("mock", None, |_| {}).await
    }

    /// Starts a proxy before a simulated Onfido. It refuses requests that violate the description, and answers in place of responses
    /// that do.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn proxy(upstream: &str) -> io::Result<Self> {
        Self::start("proxy", Some(upstream), allow_reports).await
    }

    async fn start(mode: &str, upstream: Option<&str>, change: fn(&mut Value)) -> io::Result<Self> {
        let description = std::fs::read(project().join("plugins/onfido/openapi-v3.6.json"))?;
        let mut description: Value = serde_json::from_slice(&description)?;
        change(&mut description);
        let file = tempfile::Builder::new().suffix(".json").tempfile()?;
        serde_json::to_writer(&file, &description)?;
        // Prism does not support port 0. Another test may have taken the port meanwhile, so try again.
        for _ in 0..20 {
            let address = free_address()?;
            let programs = tools().join("node/node_modules/.bin");
            let mut command = Command::new(programs.join("prism"));
            command
                .env("PATH", with_first(&programs))
                .arg(mode)
                .arg(file.path())
                .args(upstream)
                .args(["--errors", "--host", "127.0.0.1", "--port", &address.port().to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let mut process = Process::spawn(&mut command)?;
            let log = Log::new();
            log.follow(process.take_output());
            let is_started = tokio::select! {
                started = log.wait_for("is listening on") => started.is_ok(),
                () = log.ended() => false,
            };
            if is_started {
                return Ok(Self { _process: process, _description: file, address, log });
            }
        }
        Err(io::Error::other("Prism does not start"))
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asserts that Prism received exactly this many requests, all valid.
    ///
    /// # Panics
    ///
    /// When that is not so.
    pub async fn assert_valid(&self, requests: usize) {
        self.wait_for_requests(requests).await;
        self.assert_no_violation();
        assert_eq!(self.count("Request received"), requests);
        assert_eq!(self.count("The request passed the validation rules"), requests);
    }

    /// Asserts that no request or response violated the description.
    ///
    /// # Panics
    ///
    /// When one did.
    pub fn assert_no_violation(&self) {
        let wrong = self.violations();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Waits until this many requests were validated. Prism writes its log asynchronously, so the last lines can appear after its
    /// responses.
    async fn wait_for_requests(&self, requests: usize) {
        let waiting = async {
            while self.count("passed the validation rules") < requests {
                sleep(Duration::from_millis(10)).await;
            }
        };
        // What is missing is counted by the caller.
        let _ = timeout(LONGEST_WAIT, waiting).await;
    }

    /// The lines about requests and responses that violated the description.
    pub fn violations(&self) -> Vec<String> {
        let is_wrong = |line: &&str| {
            ["did not pass", "Violation", "terminated with error"].iter().any(|part| line.contains(part))
        };
        self.log.text().lines().filter(is_wrong).map(str::to_owned).collect()
    }

    /// How often a text is in the log.
    pub fn count(&self, part: &str) -> usize {
        self.log.text().matches(part).count()
    }
}

/// The search path with a folder before the others: the Node there is newer than Debian's, on which Prism does not run.
fn with_first(folder: &Path) -> OsString {
    let mut path = folder.as_os_str().to_owned();
    if let Some(others) = std::env::var_os("PATH") {
        path.push(":");
        path.push(others);
    }
    path
}

/// Lets a report match several of its schemas. The schemas of most kinds differ only in the name that the discriminator maps to them;
/// Prism does not read discriminators, and a report that matches two schemas is no `oneOf`.
fn allow_reports(description: &mut Value) {
    let report = description.pointer_mut("/components/schemas/report").and_then(Value::as_object_mut);
    if let Some(report) = report
        && let Some(schemas) = report.remove("oneOf")
    {
        report.insert("anyOf".to_owned(), schemas);
    }
}
