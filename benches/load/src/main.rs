//! `kyc-load`: measures, and prints tables.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program's output is its purpose")]

mod arguments;

use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, Measurement};
use clap::Parser;
use kyc_chaos::Failure;
use kyc_harness::certificates::install_crypto_provider;
use kyc_load::bulk::Bulk;
use kyc_load::exports::Exports;
use kyc_load::isolation::Isolation;
use kyc_load::rates::{Measured, Rates};
use kyc_load::{bulk, exports, isolation, rates};

#[tokio::main]
async fn main() -> ExitCode {
    install_crypto_provider();
    let done = match Arguments::parse().measurement {
        Measurement::Isolation { gateway, backlog, rounds, seconds } => {
            measure_isolation(&Isolation { binary: gateway, backlog, rate: 400, seconds, rounds }).await
        }
        Measurement::Exports { gateway, rate, rounds, seconds } => {
            measure_exports(&Exports { binary: gateway, rate, seconds, rounds }).await
        }
        Measurement::Bulk { gateway, events, rate, postgres } => {
            let phases = bulk::run(&Bulk { binary: gateway, events, rate, postgres }).await;
            phases.map(|phases| phases.iter().for_each(|phase| println!("{phase}"))).map(|()| true)
        }
        Measurement::Rates { gateway, sqlite, postgres } => measure_rates(&gateway, &sqlite, &postgres).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("kyc-load: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn measure_exports(options: &Exports) -> Result<bool, Failure> {
    let rounds = exports::run(options).await?;
    println!(
        "\ncalls at {}/s, ms, {} rounds of {} s, median (smallest–largest); dead: Seq takes connections and says \
         nothing, OpenTelemetry's collector is not there\n",
        options.rate, options.rounds, options.seconds
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

async fn measure_isolation(options: &Isolation) -> Result<bool, Failure> {
    let found = isolation::run(options).await?;
    println!(
        "\nreceipt to delivery at {}/s over four tenants, ms, {} rounds of {} s, median (smallest–largest); a backlog is \
         {} events\n",
        options.rate, options.rounds, options.seconds, options.backlog
    );
    println!("{found}");
    Ok(found.holds())
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
            let options = Rates { binary: gateway.to_owned(), postgres: is_postgres, tenants, rate, seconds };
            rows.push((options.clone(), rates::run(&options).await?));
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
    for (options, measured) in &rows {
        print_rate(options, measured);
    }
    Ok(rows.iter().all(|(_, measured)| measured.verdict.holds()))
}

fn print_rate(options: &Rates, measured: &Measured) {
    println!(
        "{:<12}{:>8}{:>10}{:>5}{:>10.0}{:>9.2}{:>9.2}{:>9.1}{:>9}{:>6}{:>9}{:>11.0}{:>12}",
        if options.postgres { "PostgreSQL" } else { "SQLite" },
        options.tenants,
        options.rate,
        options.seconds,
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
