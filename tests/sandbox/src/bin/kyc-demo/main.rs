//! Runs the whole flow for two tenants through a gateway, and explains each step.

mod failure;
mod flow;
mod narrator;
mod outage;
mod proof;
mod stage;

use std::path::Path;
use std::process::ExitCode;

use failure::Failure;
use narrator::Narrator;
use stage::Stage;

#[tokio::main]
async fn main() -> ExitCode {
    let mut narrator = Narrator::default();
    match play(&mut narrator).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            narrator
                .say(&format!("\nThe demo failed: {failure}\nThe gateway's log is {FOLDER}/gateway.log."));
            ExitCode::FAILURE
        }
    }
}

async fn play(narrator: &mut Narrator) -> Result<(), Failure> {
    let mut stage = Stage::start(Path::new(FOLDER)).await?;
    stage.introduce(narrator);
    let result = act(&mut stage, narrator).await;
    stage.keep_log()?;
    result?;
    if !is_asked_to_end() {
        stage.show_addresses(narrator);
        stage.until_told_to_stop().await?;
    }
    stage.stop().await
}

async fn act(stage: &mut Stage, narrator: &mut Narrator) -> Result<(), Failure> {
    let mut reports = Vec::new();
    for tenant in &stage.tenants {
        reports.push(flow::play(stage, tenant, narrator).await?);
    }
    proof::each_portal_has_only_its_own(stage, &reports, narrator).await?;
    proof::unknown_callers_are_refused(stage, narrator).await?;
    proof::metrics_are_there(stage, narrator).await?;
    outage::play(stage, narrator).await
}

/// `ONCE=1` ends the demo after the flow.
fn is_asked_to_end() -> bool {
    std::env::var_os("ONCE").is_some_and(|once| !once.is_empty() && once != "0")
}

/// The folder for the demo's configuration, tenant document and log, relative to the project.
const FOLDER: &str = "data/demo";
