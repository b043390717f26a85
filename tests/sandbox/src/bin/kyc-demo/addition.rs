//! A tenant that one command adds while the gateway runs.

use std::process::{Command, Output};

use kyc_sandbox::portal::{self, Portal};

use crate::failure::Failure;
use crate::narrator::Narrator;
use crate::stage::Stage;

/// Adds a tenant, and sends it a test event through the gateway.
pub(crate) async fn play(stage: &Stage, narrator: &mut Narrator) -> Result<(), Failure> {
    let token = format!("api_sandbox.{NAME}");
    stage.onfido.add_account(NAME, &token);
    let account = portal::Account {
        tenant: NAME.to_owned(),
        username: format!("{NAME}-onfido"),
        password: format!("{NAME}-password"),
        client_id: Some("dcs".to_owned()),
    };
    let portal = Portal::start(portal::Settings::new(vec![account])).await?;
    std::fs::write(stage.folder.join("initech.token"), token)?;
    std::fs::write(stage.folder.join("initech.password"), format!("{NAME}-password"))?;
    std::fs::write(stage.folder.join("initech.subscription"), "subscription-of-initech")?;
    let (token, password) = (path(stage, "initech.token"), path(stage, "initech.password"));
    let subscription = path(stage, "initech.subscription");
    let (url, username) = (portal.url(), format!("{NAME}-onfido"));

    narrator.step(&format!("{NAME}: an operator adds a tenant while the gateway runs"));
    let values = [
        ["--subscription-id-file", &subscription],
        ["--api-token-file", &token],
        ["--ftos-endpoint", &url],
        ["--ftos-client-id", "dcs"],
        ["--ftos-username", &username],
        ["--ftos-password-file", &password],
    ];
    let added = tenants(stage, narrator, &["add", NAME], values.as_flattened()).await?;
    // The policy for API Management follows.
    show(narrator, &added, 3);
    if !added.status.success() {
        return Err(Failure::new("the tenant was not added"));
    }

    narrator.step(&format!("{NAME}: a signed test event goes through the gateway to the portal"));
    // The gateway reads the document every second.
    let mut tested = tenants(stage, narrator, &["test", NAME], &[]).await?;
    for _ in 0..20 {
        if tested.status.success() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        tested = command(stage, &["test", NAME], &[]).await?;
    }
    show(narrator, &tested, 1);
    let taken = portal.deliveries().wait_for(|taken| taken.get(1).cloned()).await?;
    narrator.note(&format!("{} took {}", taken.action, String::from_utf8_lossy(&taken.event)));

    narrator.step(&format!("{NAME}: the tenant is removed again, at Onfido and in the document"));
    let removed = tenants(stage, narrator, &["remove", NAME, "--yes"], &[]).await?;
    show(narrator, &removed, 1);
    match removed.status.success() {
        true => Ok(()),
        false => Err(Failure::new("the tenant was not removed")),
    }
}

/// Shows a command line, and runs it.
async fn tenants(
    stage: &Stage,
    narrator: &Narrator,
    operation: &[&str],
    values: &[&str],
) -> Result<Output, Failure> {
    let all: Vec<String> =
        operation.iter().chain(values).map(|word| (*word).to_owned()).chain(access(stage)).collect();
    narrator.note(&format!("$ {} tenants {}", stage.program.display(), all.join(" ")));
    command(stage, operation, values).await
}

async fn command(stage: &Stage, operation: &[&str], values: &[&str]) -> Result<Output, Failure> {
    let mut command = Command::new(&stage.program);
    command.arg("tenants").args(operation).args(values).args(access(stage));
    // The simulated Onfido must answer meanwhile, also on a machine with one core.
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

fn access(stage: &Stage) -> [String; 4] {
    let url = format!("{}/dcs/kyc2/webhook/notify", stage.gateway.url());
    ["--config".to_owned(), path(stage, "gateway.toml"), "--notification-url".to_owned(), url]
}

fn path(stage: &Stage, file: &str) -> String {
    stage.folder.join(file).display().to_string()
}

/// Shows the steps, and the first lines of the result.
fn show(narrator: &Narrator, output: &Output, lines: usize) {
    let (steps, result) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    steps.lines().chain(result.lines().take(lines)).for_each(|line| narrator.note(line));
}

const NAME: &str = "initech";
