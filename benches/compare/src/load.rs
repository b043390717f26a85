//! One run of `wrk` against one contender.

use std::process::Command;

use crate::contender::{Contender, LOAD_CORE};

/// What one run measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// CPU time of the proxy per request, in microseconds.
    pub(crate) cpu_micros: f64,
    /// Requests per second.
    pub(crate) throughput: f64,
    /// Median latency in microseconds.
    pub(crate) p50: f64,
    /// 99th percentile of latency in microseconds.
    pub(crate) p99: f64,
}

/// Runs the load for some seconds.
pub(crate) fn run(contender: &Contender, seconds: u32) -> Result<Sample, String> {
    let before = contender.cpu_seconds()?;
    let output = Command::new("taskset")
        .args(["-c", LOAD_CORE, "wrk", "-t1", "-c32", "--latency", "-s"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/load.lua"))
        .arg(format!("-d{seconds}s"))
        .arg(&contender.url)
        .output()
        .map_err(|error| format!("cannot start wrk: {error}"))?;
    let cpu = contender.cpu_seconds()? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .ok_or_else(|| format!("wrk said nothing of {}: {text}", contender.name))?;
    let figures: Vec<f64> = line.split(' ').filter_map(|figure| figure.parse().ok()).collect();
    let [requests, failed, micros, p50, p99] = figures[..] else {
        return Err(format!("cannot read wrk's figures: {line}"));
    };
    if failed > 0.0 || requests == 0.0 {
        return Err(format!("{}: {failed} of {requests} requests failed", contender.name));
    }
    Ok(Sample { cpu_micros: cpu * 1e6 / requests, throughput: requests * 1e6 / micros, p50, p99 })
}
