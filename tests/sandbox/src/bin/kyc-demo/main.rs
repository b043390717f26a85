//! Runs the whole flow for two tenants through a gateway, and explains each step.

mod addition;
mod failure;
mod flow;
mod narrator;
mod observability;
mod operator;
mod options;
mod outage;
mod proof;
mod stage;
mod withheld;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use failure::Failure;
use narrator::Narrator;
use observability::Observability;
use options::{Extra, Options};
use stage::Stage;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let mut narrator = Narrator::default();
    match play(&options, &mut narrator).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            narrator
                .say(&format!("\nThe demo failed: {failure}\nThe gateway's log is {FOLDER}/gateway.log."));
            ExitCode::FAILURE
        }
    }
}

async fn play(options: &Options, narrator: &mut Narrator) -> Result<(), Failure> {
    let started = Instant::now();
    let mut stage = Stage::start(options.gateway(), Path::new(FOLDER)).await?;
    stage.introduce(narrator);
    let observability = match options.with.contains(&Extra::Observability) {
        true => Some(Observability::start(&stage, narrator).await?),
        false => None,
    };
    let result = act(&mut stage, narrator).await;
    stage.keep_log()?;
    result?;
    narrator.summarize(started.elapsed());
    if !options.is_once() {
        stage.show_addresses(narrator);
        observability.iter().for_each(|observability| observability.show_address(narrator));
        stage.until_told_to_stop().await?;
    }
    stage.stop().await
}

async fn act(stage: &mut Stage, narrator: &mut Narrator) -> Result<(), Failure> {
    let mut reports = Vec::new();
    for tenant in &stage.tenants {
        reports.push(flow::play(stage, tenant, narrator).await?);
    }
    let tenants = reports.len();
    narrator.shown(&format!(
        "{tenants} tenants called Onfido, each with its own API token in place of its SubscriptionId"
    ));
    narrator.shown("a new check got the webhook of its tenant");
    proof::each_portal_has_only_its_own(stage, &reports, narrator).await?;
    let events: usize = reports.iter().map(Vec::len).sum();
    narrator.shown(&format!(
        "{events} signed notifications were delivered, each to its own portal, in two dialects"
    ));
    proof::unknown_callers_are_refused(stage, narrator).await?;
    narrator.shown("an unknown SubscriptionId and forged signatures were refused");
    proof::metrics_are_there(stage, narrator).await?;
    narrator.shown("the metrics count what happened");
    outage::play(stage, narrator).await?;
    narrator.shown("an event outlived an outage of its portal and kill -9 of the gateway");
    withheld::play(stage, narrator).await?;
    narrator.shown("a result whose notification never came was found by reconciliation and delivered");
    addition::play(stage, narrator).await?;
    narrator.shown("a tenant was added, tested and removed, each by one command");
    Ok(())
}

/// The folder for the demo's configuration, tenant document and log, relative to the project.
const FOLDER: &str = "data/demo";
