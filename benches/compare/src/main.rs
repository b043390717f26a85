//! Runs the gateway, a bare Pingora proxy (on two allocators) and nginx in turn under the same load, pinned
//! alike, and prints ratios: CPU time per request, throughput and latency, each as the median of the rounds with its spread.
//!
//! `kyc-bench [ROUNDS] [SECONDS]` (default 5 rounds of 4 seconds). Needs `wrk`, `nginx` and `taskset`.

mod contender;
mod load;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use contender::Contender;
use report::Report;

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            report.print();
            ExitCode::SUCCESS
        }
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Report, String> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let rounds = arguments.next().unwrap_or(Ok(5)).map_err(|error| format!("ROUNDS: {error}"))?;
    let seconds = arguments.next().unwrap_or(Ok(4)).map_err(|error| format!("SECONDS: {error}"))?;
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let binaries = binaries()?;

    let upstream = contender::start_upstream(folder.path())?;
    let contenders = [
        Contender::bare_pingora(&binaries)?,
        Contender::bare_pingora_mimalloc(&binaries)?,
        Contender::gateway(&binaries, folder.path())?,
        Contender::nginx(folder.path())?,
    ];
    let mut report = Report::new(&contenders, seconds);
    for contender in &contenders {
        load::run(contender, &upstream, 1)?;
    }
    for round in 1..=rounds {
        for (place, contender) in contenders.iter().enumerate() {
            report::progress(round, rounds, contender.name);
            report.add(place, load::run(contender, &upstream, seconds)?);
        }
    }
    Ok(report)
}

/// The folder of this executable, where the others are too.
fn binaries() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find this executable: {error}"))?;
    own.parent().map(Path::to_owned).ok_or_else(|| "this executable has no folder".to_owned())
}
