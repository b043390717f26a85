//! `kyc-chaos`: kills, breaks and attacks, and says what was lost.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program's output is its purpose")]

mod arguments;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use arguments::{Arguments, Command};
use clap::Parser;
use kyc_chaos::abuse::Abuse;
use kyc_chaos::backups::Backups;
use kyc_chaos::crash::Crash;
use kyc_chaos::logs::Logs;
use kyc_chaos::outcomes::Outcomes;
use kyc_chaos::pressure::Pressure;
use kyc_chaos::soak::Soak;
use kyc_chaos::uploads::Uploads;
use kyc_chaos::week::Week;
use kyc_chaos::{Failure, abuse, backups, crash, logs, outcomes, pressure, soak, uploads, upstream, week};
use kyc_harness::certificates::install_crypto_provider;

#[tokio::main]
async fn main() -> ExitCode {
    install_crypto_provider();
    let done = match Arguments::parse().command {
        Command::Crash { gateways, rate, faults, at_points, seed } => match beside("failing-gateway") {
            Ok(binary) => kill(&Crash { binary, gateways, rate, faults, at_points, seed }).await,
            Err(failure) => Err(failure),
        },
        Command::Backups { gateway, rate, rounds } => {
            let found = backups::run(&Backups { binary: gateway, rate, rounds }).await;
            found.map(|found| tell(&found, found.holds()))
        }
        Command::Outcomes { checks, tenants, gateways, kills, overdue, seed } => {
            match beside("failing-gateway") {
                Ok(binary) => {
                    let overdue = Duration::from_secs(overdue);
                    let options = Outcomes { binary, checks, tenants, gateways, kills, overdue, seed };
                    outcomes::run(&options).await.map(|verdict| tell(&verdict, verdict.holds()))
                }
                Err(failure) => Err(failure),
            }
        }
        Command::Week { gateway, seed, minutes, short: false } => {
            let lasts = Duration::from_secs(minutes * 60);
            live(&Week { lasts, ..Week::long(gateway, seed) }).await
        }
        Command::Week { gateway, seed, short: true, .. } => live(&Week::short(gateway, seed)).await,
        Command::Abuse { gateway, rate, answer, connections, pace, idle, seconds, only } => {
            let answer = Duration::from_millis(answer);
            suffer(&Abuse { binary: gateway, rate, answer, connections, pace, idle, seconds, only }).await
        }
        Command::Uploads { gateway, uploads, calls } => {
            let found = uploads::run(&Uploads { binary: gateway, uploads, calls }).await;
            found.map(|found| tell(&found, found.holds()))
        }
        Command::Pressure { gateway, rate, heads, bodies, seconds } => {
            let found = pressure::run(&Pressure { binary: gateway, rate, heads, bodies, seconds }).await;
            found.map(|found| tell(&found, found.holds()))
        }
        Command::Upstream => upstream::run_apart().await.map(|()| true),
        Command::Soak { gateway, requests, lanes } => {
            soak_all(&Soak { binary: gateway, requests, lanes }).await
        }
        Command::Logs { gateway, rate, seconds } => {
            write_logs(&Logs { binary: gateway, rate, seconds, roll_size: 4 << 20 }).await
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("kyc-chaos: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn tell(found: &impl std::fmt::Display, holds: bool) -> bool {
    println!("{found}");
    holds
}

async fn kill(options: &Crash) -> Result<bool, Failure> {
    let verdict = crash::run(options).await?;
    let store = if options.gateways > 1 { "PostgreSQL" } else { "SQLite" };
    println!("{store}, {} gateway(s), {}/s: {verdict}", options.gateways, options.rate);
    Ok(verdict.holds())
}

async fn live(options: &Week) -> Result<bool, Failure> {
    let verdict = week::run(options).await?;
    println!(
        "seed {}, {} tenants, {}/s, {} s\n",
        options.seed,
        options.tenants,
        options.rate,
        options.lasts.as_secs()
    );
    Ok(tell(&verdict, verdict.holds()))
}

async fn suffer(options: &Abuse) -> Result<bool, Failure> {
    let parts = abuse::run(options).await?;
    println!("\n{}", abuse::HEADINGS);
    parts.iter().for_each(|part| println!("{part}"));
    Ok(parts.iter().all(abuse::Part::holds))
}

async fn soak_all(options: &Soak) -> Result<bool, Failure> {
    let found = soak::run(options).await?;
    Ok(tell(&found, found.holds()))
}

async fn write_logs(options: &Logs) -> Result<bool, Failure> {
    let found = logs::run(options).await?;
    println!("log files: {found}");
    Ok(found.wrong.is_empty())
}

/// A program beside this one.
fn beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let found = own.with_file_name(name);
    if found.is_file() { Ok(found) } else { Err(Failure(format!("{} is not built", found.display()))) }
}
