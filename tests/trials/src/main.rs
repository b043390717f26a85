//! `kyc-trials`: proves by killing, and measures.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program's output is its purpose")]

mod arguments;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use arguments::{Arguments, Trial};
use clap::Parser;
use kyc_harness::certificates::install_ring;
use kyc_trials::abuse::Abuse;
use kyc_trials::backups::Backups;
use kyc_trials::bulk::Bulk;
use kyc_trials::crash::Crash;
use kyc_trials::exports::Exports;
use kyc_trials::isolation::Isolation;
use kyc_trials::logs::Logs;
use kyc_trials::pressure::Pressure;
use kyc_trials::rates::{Measured, Rates};
use kyc_trials::soak::Soak;
use kyc_trials::uploads::Uploads;
use kyc_trials::week::Week;
use kyc_trials::{
    Failure, abuse, backups, bulk, crash, exports, isolation, logs, pressure, rates, soak, uploads, upstream,
    week,
};

#[tokio::main]
async fn main() -> ExitCode {
    install_ring();
    let done = match Arguments::parse().trial {
        Trial::Crash { gateways, rate, faults, at_points, seed } => match beside("failing-gateway") {
            Ok(binary) => kill(&Crash { binary, gateways, rate, faults, at_points, seed }).await,
            Err(failure) => Err(failure),
        },
        Trial::Isolation { gateway, backlog, rounds, seconds } => {
            measure_isolation(&Isolation { binary: gateway, backlog, rate: 400, seconds, rounds }).await
        }
        Trial::Backups { gateway, rate, rounds } => {
            let found = backups::run(&Backups { binary: gateway, rate, rounds }).await;
            found.map(|found| tell(&found, found.holds()))
        }
        Trial::Week { gateway, seed, minutes, short: false } => {
            let lasts = Duration::from_secs(minutes * 60);
            live(&Week { lasts, ..Week::long(gateway, seed) }).await
        }
        Trial::Week { gateway, seed, short: true, .. } => live(&Week::short(gateway, seed)).await,
        Trial::Exports { gateway, rate, rounds, seconds } => {
            measure_exports(&Exports { binary: gateway, rate, seconds, rounds }).await
        }
        Trial::Abuse { gateway, rate, answer, connections, pace, idle, seconds, only } => {
            let answer = Duration::from_millis(answer);
            suffer(&Abuse { binary: gateway, rate, answer, connections, pace, idle, seconds, only }).await
        }
        Trial::Uploads { gateway, uploads, calls } => {
            let found = uploads::run(&Uploads { binary: gateway, uploads, calls }).await;
            found.map(|found| tell(&found, found.holds()))
        }
        Trial::Pressure { gateway, rate, heads, bodies, seconds } => {
            let found = pressure::run(&Pressure { binary: gateway, rate, heads, bodies, seconds }).await;
            found.map(|found| tell(&found, found.holds()))
        }
        Trial::Upstream => upstream::run_apart().await.map(|()| true),
        Trial::Soak { gateway, requests, lanes } => {
            soak_all(&Soak { binary: gateway, requests, lanes }).await
        }
        Trial::Logs { gateway, rate, seconds } => {
            write_logs(&Logs { binary: gateway, rate, seconds, roll_size: 4 << 20 }).await
        }
        Trial::Bulk { gateway, events, rate, postgres } => {
            let phases = bulk::run(&Bulk { binary: gateway, events, rate, postgres }).await;
            phases.map(|phases| phases.iter().for_each(|phase| println!("{phase}"))).map(|()| true)
        }
        Trial::Rates { gateway, sqlite, postgres } => measure_rates(&gateway, &sqlite, &postgres).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("kyc-trials: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn tell(found: &impl std::fmt::Display, holds: bool) -> bool {
    println!("{found}");
    holds
}

async fn kill(trial: &Crash) -> Result<bool, Failure> {
    let verdict = crash::run(trial).await?;
    let store = if trial.gateways > 1 { "PostgreSQL" } else { "SQLite" };
    println!("{store}, {} gateway(s), {}/s: {verdict}", trial.gateways, trial.rate);
    Ok(verdict.holds())
}

async fn live(trial: &Week) -> Result<bool, Failure> {
    let verdict = week::run(trial).await?;
    println!(
        "seed {}, {} tenants, {}/s, {} s\n",
        trial.seed,
        trial.tenants,
        trial.rate,
        trial.lasts.as_secs()
    );
    Ok(tell(&verdict, verdict.holds()))
}

async fn measure_exports(trial: &Exports) -> Result<bool, Failure> {
    let rounds = exports::run(trial).await?;
    println!(
        "\ncalls at {}/s, ms, {} rounds of {} s, median (smallest–largest); dead: Seq takes connections and says \
         nothing, OpenTelemetry's collector is not there\n",
        trial.rate, trial.rounds, trial.seconds
    );
    let row = |name: &str, figure: fn(&exports::Round) -> f64| print_spread(name, rounds.iter().map(figure));
    row("p50, off", |[off, ..]| off.0);
    row("p50, both dead", |[_, _, dead]| dead.0);
    row("p99, off", |[off, ..]| off.1);
    row("p99, off once more", |[_, again, _]| again.1);
    row("p99, both dead", |[_, _, dead]| dead.1);
    row("noise: p99 off once more / off", |[off, again, _]| again.1 / off.1);
    row("p99 both dead / off", |[off, _, dead]| dead.1 / off.1);
    Ok(true)
}

fn print_spread(name: &str, figures: impl Iterator<Item = f64>) {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or_default();
    let last = figures.len().saturating_sub(1);
    println!("{name:<50}{:>8.2} ({:.2}–{:.2})", at(figures.len() / 2), at(0), at(last));
}

async fn suffer(trial: &Abuse) -> Result<bool, Failure> {
    let parts = abuse::run(trial).await?;
    println!("\n{}", abuse::HEADINGS);
    parts.iter().for_each(|part| println!("{part}"));
    Ok(parts.iter().all(abuse::Part::holds))
}

async fn soak_all(trial: &Soak) -> Result<bool, Failure> {
    let found = soak::run(trial).await?;
    Ok(tell(&found, found.holds()))
}

async fn write_logs(trial: &Logs) -> Result<bool, Failure> {
    let found = logs::run(trial).await?;
    println!("log files: {found}");
    Ok(found.wrong.is_empty())
}

async fn measure_isolation(trial: &Isolation) -> Result<bool, Failure> {
    let found = isolation::run(trial).await?;
    println!(
        "\nreceipt to delivery at {}/s over four tenants, ms, {} rounds of {} s, median (smallest–largest); a backlog is \
         {} events\n",
        trial.rate, trial.rounds, trial.seconds, trial.backlog
    );
    Ok(tell(&found, found.holds()))
}

async fn measure_rates(gateway: &Path, sqlite: &[String], postgres: &[String]) -> Result<bool, Failure> {
    let mut rows = Vec::new();
    for (is_postgres, wanted) in [(false, sqlite), (true, postgres)] {
        for text in wanted {
            let numbers: Option<Vec<u64>> = text.split(':').map(|number| number.parse().ok()).collect();
            let (rate, seconds, tenants) = match numbers.as_deref() {
                Some([rate, seconds]) => (*rate, *seconds, 8),
                Some([rate, seconds, tenants]) => (*rate, *seconds, usize::try_from(*tenants).unwrap_or(8)),
                _ => return Err(Failure(format!("{text} is no RATE:SECONDS[:TENANTS]"))),
            };
            let trial = Rates { binary: gateway.to_owned(), postgres: is_postgres, tenants, rate, seconds };
            rows.push((trial.clone(), rates::run(&trial).await?));
        }
    }
    println!(
        "\n{:<12}{:>8}{:>10}{:>5}{:>10}{:>9}{:>9}{:>9}{:>9}{:>6}{:>9}{:>11}{:>12}",
        "store",
        "tenants",
        "offered/s",
        "s",
        "taken/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "refused",
        "lost",
        "backlog",
        "drained/s",
        "MiB (peak)"
    );
    for (trial, measured) in &rows {
        print_rate(trial, measured);
    }
    Ok(rows.iter().all(|(_, measured)| measured.verdict.holds()))
}

fn print_rate(trial: &Rates, measured: &Measured) {
    println!(
        "{:<12}{:>8}{:>10}{:>5}{:>10.0}{:>9.2}{:>9.2}{:>9.1}{:>9}{:>6}{:>9}{:>11.0}{:>12}",
        if trial.postgres { "PostgreSQL" } else { "SQLite" },
        trial.tenants,
        trial.rate,
        trial.seconds,
        measured.accepted,
        measured.p50,
        measured.p99,
        measured.longest,
        measured.refused,
        measured.verdict.lost,
        measured.verdict.accepted,
        measured.drained,
        format!("{} ({})", measured.memory.0, measured.memory.1)
    );
}

/// A program beside this one.
fn beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let found = own.with_file_name(name);
    if found.is_file() { Ok(found) } else { Err(Failure(format!("{} is not built", found.display()))) }
}
