//! HTTP/2 by `h2load`: as many calls as a number of streams on a number of connections can make.

use std::path::Path;
use std::time::Duration;

use kyc_harness::calls::percentile;
use tokio::process::Command;

use crate::contender::Running;
use crate::sample::{Figure, Sample};

/// One run of `h2load`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct H2load {
    pub(crate) connections: u32,
    /// On each connection.
    pub(crate) streams: u32,
}

// === impl H2load ===

impl H2load {
    /// Runs it, and measures.
    ///
    /// # Errors
    ///
    /// It cannot be started, or a call failed.
    pub(crate) async fn run(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        let log = tempfile::NamedTempFile::new().map_err(|error| format!("no temporary file: {error}"))?;
        let before = running.cpu_time()?;
        let output = Command::new("h2load")
            .args(["-t", "1", "-c", &self.connections.to_string(), "-m", &self.streams.to_string()])
            .args([
                "-D",
                &seconds.to_string(),
                "-H",
                "SubscriptionId: sub-777",
                "-H",
                "Accept: application/json",
            ])
            .arg(format!("--log-file={}", log.path().display()))
            .arg(format!("{}/dcs/kyc2/applicants/1030303-123123-123123", running.url()))
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| {
                format!("cannot start h2load ({error}); tests/tools/install peers installs it")
            })?;
        let cpu = running.cpu_time()?.since(&before);
        let text = String::from_utf8_lossy(&output.stdout);
        check(&text).map_err(|problem| format!("h2load: {problem}"))?;
        let times = times(log.path())?;
        let calls = times.len() as f64;
        Ok(Sample(vec![
            (Figure::CpuPerCall, cpu / calls),
            (Figure::CallsPerSecond, calls / f64::from(seconds)),
            (Figure::P50, percentile(&times, 0.5) * 1000.0),
            (Figure::P99, percentile(&times, 0.99) * 1000.0),
            (Figure::PeakMib, running.peak_mib()),
        ]))
    }
}

/// Looks for failures in what it says of all calls.
fn check(text: &str) -> Result<(), String> {
    if !text.contains("Application protocol: h2\n") {
        return Err("HTTP/2 was not negotiated".to_owned());
    }
    let line = |begin: &str| text.lines().find_map(|line| line.strip_prefix(begin)).unwrap_or_default();
    let count = |line: &str, name: &str| {
        let part = line.split(", ").find_map(|part| part.trim().strip_suffix(name))?;
        part.trim().parse::<u64>().ok()
    };
    let (calls, codes) = (line("requests:"), line("status codes:"));
    let failed = [" failed", " errored", " timeout"].map(|name| count(calls, name));
    let others = [" 3xx", " 4xx", " 5xx"].map(|name| count(codes, name));
    match failed.iter().chain(&others).all(|count| *count == Some(0)) && count(codes, " 2xx") > Some(0) {
        true => Ok(()),
        false => Err(format!("calls failed: {} {}", calls.trim(), codes.trim())),
    }
}

/// The sorted times of calls: lines of when a call began, its status and its time in µs.
fn times(log: &Path) -> Result<Vec<Duration>, String> {
    let text = std::fs::read_to_string(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut times = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t').skip(1);
        match (fields.next(), fields.next().map(str::parse)) {
            (Some("200"), Some(Ok(micros))) => times.push(Duration::from_micros(micros)),
            _ => return Err(format!("h2load: a call without status 200: {line}")),
        }
    }
    times.sort_unstable();
    if times.is_empty() { Err("h2load: no call".to_owned()) } else { Ok(times) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_calls_are_an_error() {
        let said = |failed: u32, bad: u32| {
            format!(
                "Application protocol: h2\nrequests: 9 total, 9 started, 9 done, 9 succeeded, {failed} failed, \
                 0 errored, 0 timeout\nstatus codes: 9 2xx, 0 3xx, {bad} 4xx, 0 5xx\n"
            )
        };

        let found = [said(0, 0), said(1, 0), said(0, 1)].map(|text| check(&text).is_ok());

        assert_eq!(found, [true, false, false]);
    }
}
