//! One run of `wrk` against one contender.

use std::process::Command;

use crate::contender::{Contender, LOAD_CORE};

/// What one round measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// CPU time of the proxy per request when all proxies get the same load, in microseconds.
    pub(crate) cpu_paced: f64,
    /// CPU time of the proxy per request at full load, in microseconds.
    pub(crate) cpu_full: f64,
    /// Requests per second at full load.
    pub(crate) throughput: f64,
    /// Median latency at full load, in microseconds.
    pub(crate) p50: f64,
    /// 99th percentile of latency at full load, in microseconds.
    pub(crate) p99: f64,
}

/// What one run of `wrk` measured.
struct Run {
    cpu: f64,
    throughput: f64,
    p50: f64,
    p99: f64,
}

/// Runs the load for some seconds at the same pace for all, then as fast as the proxy goes.
pub(crate) fn run(contender: &Contender, seconds: u32) -> Result<Sample, String> {
    let paced = wrk(contender, seconds, Some(PACE_MS))?;
    let full = wrk(contender, seconds, None)?;
    Ok(Sample {
        cpu_paced: paced.cpu,
        cpu_full: full.cpu,
        throughput: full.throughput,
        p50: full.p50,
        p99: full.p99,
    })
}

fn wrk(contender: &Contender, seconds: u32, pace: Option<&str>) -> Result<Run, String> {
    let before = contender.cpu_seconds()?;
    let output = Command::new("taskset")
        .args(["-c", LOAD_CORE, "wrk", "-t1", "-c32", "--latency", "-s"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/load.lua"))
        .arg(format!("-d{seconds}s"))
        .arg(&contender.url)
        .envs(pace.map(|pace| ("PACE_MS", pace)))
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
    Ok(Run { cpu: cpu * 1e6 / requests, throughput: requests * 1e6 / micros, p50, p99 })
}

/// Between two requests of a connection; 32 connections make some 10,000 requests a second.
const PACE_MS: &str = "3";
