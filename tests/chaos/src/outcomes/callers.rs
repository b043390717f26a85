//! The callers: Onfido's official Python client, which starts checks through the gateways.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kyc_harness::process::Process;
use kyc_harness::tools::{project, tools};
use serde_json::Value;

use crate::Failure;

/// The running client. It is killed when dropped.
#[derive(Debug)]
pub(super) struct Callers {
    process: Process,
    heard: Arc<Mutex<Heard>>,
    /// Whether all its output was read.
    is_read: Arc<AtomicBool>,
}

/// What the client has got.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// The checks that were answered with 201.
    pub(super) started: Vec<Started>,
    /// The calls that failed, by status or exception.
    pub(super) failed: BTreeMap<String, usize>,
}

/// A check whose 201 has reached the client.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) check: String,
    pub(super) reports: Vec<String>,
    /// When the call began.
    pub(super) called: SystemTime,
    /// When its response was there.
    pub(super) answered: SystemTime,
}

// === impl Callers ===

impl Callers {
    /// Starts as many checks as asked for, over all tenants, through these URLs in turn.
    pub(super) fn start(checks: u64, tenants: usize, urls: &[String]) -> Result<Self, Failure> {
        let mut command = Command::new(tools().join("python/bin/python"));
        command
            .arg(project().join("tests/conformance/checks.py"))
            .args([checks.to_string(), tenants.to_string(), THREADS.to_string()])
            .args(urls)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let is_read = Arc::new(AtomicBool::new(false));
        let (output, hearing, ended) = (process.take_output(), Arc::clone(&heard), Arc::clone(&is_read));
        std::thread::spawn(move || {
            for line in
                output.into_iter().flat_map(|output| BufReader::new(output).lines()).map_while(Result::ok)
            {
                lock(&hearing).hear(&line);
            }
            ended.store(true, Ordering::Release);
        });
        Ok(Self { process, heard, is_read })
    }

    /// Returns how many checks were answered with 201.
    pub(super) fn started(&self) -> usize {
        lock(&self.heard).started.len()
    }

    /// Returns what was heard so far.
    pub(super) fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }

    /// Returns whether the client has ended.
    ///
    /// # Errors
    ///
    /// It has failed.
    pub(super) fn have_ended(&mut self) -> Result<bool, Failure> {
        match self.process.ended()? {
            None => Ok(false),
            // The last lines may still be in the pipe.
            Some(status) if status.success() => Ok(self.is_read.load(Ordering::Acquire)),
            Some(status) => Err(Failure(format!("the client ended with {status}"))),
        }
    }
}

// === impl Heard ===

impl Heard {
    fn hear(&mut self, line: &str) {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return };
        if let Some(failed) = line.get("failed").and_then(Value::as_str) {
            *self.failed.entry(failed.to_owned()).or_default() += 1;
        } else if let Some(started) = Started::read(&line) {
            self.started.push(started);
        }
    }
}

// === impl Started ===

impl Started {
    fn read(line: &Value) -> Option<Self> {
        let time = |member: &str| Some(UNIX_EPOCH + Duration::from_secs_f64(line.get(member)?.as_f64()?));
        let reports = line.get("reports")?.as_array()?.iter();
        Some(Self {
            check: line.get("check")?.as_str()?.to_owned(),
            reports: reports.filter_map(|id| id.as_str().map(str::to_owned)).collect(),
            called: time("called")?,
            answered: time("answered")?,
        })
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls that are made at the same time.
const THREADS: usize = 8;
