//! Runs the gateway, proxies on Pingora, nginx, HAProxy and Envoy in turn under the same load, and prints figures and ratios.
//!
//! Every contender does the same job: it finds the tenant of the header `SubscriptionId` among 1,000, attaches the tenant's
//! credential, forwards the call over kept connections, and writes an access log to a file. The upstream refuses calls with
//! another credential, and a round in which a call is not answered with 200 has no figures.

mod arguments;
mod contender;
mod load;
mod own_process;
mod pinned;
mod report;
mod runner;
mod sample;
mod scenario;
mod stage;
mod template;
mod upstream;
mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use arguments::Arguments;
use clap::Parser;
use contender::{Contender, Programs};
use kyc_harness::certificates::Authority;
use runner::Runner;
use stage::Lifetime;

/// Whether every contender could be measured in every scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Complete,
    SomeFailed,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::select! {
        outcome = run(arguments) => outcome,
        reason = own_process::interrupted() => Err(reason),
    };
    match outcome {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::FAILURE,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Outcome, String> {
    let contenders = arguments.contenders();
    let folder = folder()?;
    let gateway = arguments.gateway.unwrap_or_else(|| folder.join("kyc-gateway"));
    if contenders.contains(&Contender::Gateway) && !gateway.is_file() {
        return Err(format!("{} is not built; --gateway names another one", gateway.display()));
    }
    own_process::prepare()?;
    let programs = Programs { gateway, against: arguments.against, folder };
    let (authority, rounds, seconds) = (Arc::new(Authority::new()), arguments.rounds, arguments.seconds);
    let runner = Runner { programs, authority, contenders, rounds, seconds };
    let mut outcome = Outcome::Complete;
    for scenario in scenario::all() {
        if !arguments.scenarios.is_empty() && !arguments.scenarios.iter().any(|name| name == scenario.name())
        {
            continue;
        }
        let rows = runner.run(scenario.as_ref()).await?;
        let length = match scenario.stage().lifetime {
            Lifetime::Scenario => format!("rounds of {seconds} s"),
            Lifetime::Round => "rounds".to_owned(),
        };
        let title = format!("{}: {} ({rounds} {length})", scenario.name(), scenario.title());
        report::print(&title, &rows);
        if rows.iter().any(|row| row.failure.is_some()) {
            outcome = Outcome::SomeFailed;
        }
    }
    Ok(outcome)
}

/// The folder of this program, where the others are too.
fn folder() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    own.parent().map(Path::to_owned).ok_or_else(|| "this program has no folder".to_owned())
}
