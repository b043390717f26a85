//! One run of `wrk` against one contender.

use std::process::{Command, Stdio};

use kyc_harness::process::Process;

use crate::contender::{Contender, LOAD_CORE, PROXY_CORE};

/// What one round measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// CPU time of the proxy per request while load, proxy and upstream share one core, in microseconds.
    pub(crate) cpu_one_core: f64,
    /// CPU time of the proxy per request while load and upstream have a core of their own, in microseconds.
    pub(crate) cpu_own_core: f64,
    /// Requests per second, on a core of its own.
    pub(crate) throughput: f64,
    /// Median latency, on a core of its own, in microseconds.
    pub(crate) p50: f64,
    /// 99th percentile of latency, on a core of its own, in microseconds.
    pub(crate) p99: f64,
}

/// What one run of `wrk` measured.
struct Run {
    cpu: f64,
    throughput: f64,
    p50: f64,
    p99: f64,
}

/// Loads the proxy twice as fast as it goes: on one core with everybody else, then alone on its core.
///
/// Across cores the slower proxy pays more for each request than its own work: its peers fall asleep while they
/// wait for it, and waking a core that sleeps is charged to who wakes it. On one core nobody is asleep.
pub(crate) fn run(contender: &Contender, upstream: &Process, seconds: u32) -> Result<Sample, String> {
    move_to(upstream, PROXY_CORE)?;
    let one_core = wrk(contender, seconds, PROXY_CORE)?;
    move_to(upstream, LOAD_CORE)?;
    let own_core = wrk(contender, seconds, LOAD_CORE)?;
    Ok(Sample {
        cpu_one_core: one_core.cpu,
        cpu_own_core: own_core.cpu,
        throughput: own_core.throughput,
        p50: own_core.p50,
        p99: own_core.p99,
    })
}

/// Moves a process to another core.
fn move_to(process: &Process, core: &str) -> Result<(), String> {
    let pid = process.pid().to_string();
    let moved = Command::new("taskset").args(["-pc", core, &pid]).stdout(Stdio::null()).status();
    if moved.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(format!("cannot move to core {core}"))
    }
}

fn wrk(contender: &Contender, seconds: u32, core: &str) -> Result<Run, String> {
    let before = contender.cpu_seconds()?;
    let output = Command::new("taskset")
        .args(["-c", core, "wrk", "-t1", "-c32", "--latency", "-s"])
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
    Ok(Run { cpu: cpu * 1e6 / requests, throughput: requests * 1e6 / micros, p50, p99 })
}
