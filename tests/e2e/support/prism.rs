//! Prism, which checks requests and responses against Onfido's OpenAPI description.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kyc_harness::ports::free_address;
use kyc_harness::process::Process;

use super::gateway::tools;

/// A running Prism. It is killed when dropped.
pub(crate) struct Prism {
    _process: Process,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
}

// === impl Prism ===

impl Prism {
    /// Starts a mock of Onfido, which refuses requests that violate the description.
    pub(crate) async fn mock() -> Self {
        Self::start("mock", None).await
    }

    /// Starts a proxy before a simulated Onfido. It refuses requests that violate the description, and answers in place of responses
    /// that do.
    pub(crate) async fn proxy(upstream: &str) -> Self {
        Self::start("proxy", Some(upstream)).await
    }

    async fn start(mode: &str, upstream: Option<&str>) -> Self {
        // Prism does not support port 0. Another test may have taken the port meanwhile, so try again.
        for _ in 0..20 {
            let address = free_address().unwrap();
            let mut command = Command::new(tools().join("node/node_modules/.bin/prism"));
            command
                .arg(mode)
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/onfido/openapi-v3.6.json"))
                .args(upstream)
                .args(["--errors", "--host", "127.0.0.1", "--port", &address.port().to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let mut process = Process::spawn(&mut command).unwrap();
            let mut lines = BufReader::new(process.take_output().unwrap()).lines();
            let log = Arc::new(Mutex::new(String::new()));
            let record = Arc::clone(&log);
            let started = tokio::task::spawn_blocking(move || {
                let started =
                    lines.by_ref().map_while(Result::ok).any(|line| line.contains("is listening on"));
                std::thread::spawn(move || {
                    for line in lines.map_while(Result::ok) {
                        let mut record = record.lock().unwrap();
                        record.push_str(&line);
                        record.push('\n');
                    }
                });
                started
            });
            if started.await.unwrap() {
                return Self { _process: process, address, log };
            }
        }
        panic!("Prism does not start");
    }

    /// Asserts that Prism received exactly this many requests, all valid.
    pub(crate) async fn assert_valid(&self, requests: usize) {
        // Prism writes its log asynchronously, so the last lines can appear after its responses.
        for _ in 0..1000 {
            if self.count("passed the validation rules") >= requests {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.assert_no_violation();
        assert_eq!(self.count("Request received"), requests);
        assert_eq!(self.count("The request passed the validation rules"), requests);
    }

    /// Asserts that no request or response violated the description.
    pub(crate) fn assert_no_violation(&self) {
        let log = self.log.lock().unwrap().clone();
        let is_wrong = |line: &&str| {
            ["did not pass", "Violation", "terminated with error"].iter().any(|part| line.contains(part))
        };
        let wrong: Vec<_> = log.lines().filter(is_wrong).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.log.lock().unwrap().matches(part).count()
    }
}
