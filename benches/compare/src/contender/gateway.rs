//! The gateway with its default plugins, as a user would run it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use kyc_harness::gateway::Launch;
use kyc_harness::ports::free_address;
use kyc_harness::process::Process;
use serde_json::{Value, json};

use super::start::Start;
use crate::pinned;
use crate::stage::{CONTENDER_CORE, Comparison, Transport};
use crate::template::{self, TENANTS};

/// How a gateway is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variant {
    pub(super) tenants: u32,
    /// Whether the route of the calls notes started checks; `None`: the default routes.
    pub(super) ledger: Option<bool>,
}

/// Starts a gateway; its log, with the access log, goes to a file.
pub(super) fn start(start: &Start<'_>, program: &Path, variant: Variant) -> Result<Process, String> {
    let Variant { tenants, ledger } = variant;
    let scheme = match start.stage.transport {
        Transport::Plain => "http",
        Transport::Tls => "https",
    };
    let document = json!({
        "Onfido-BaseUrl": format!("{scheme}://{}/v3.6", start.upstream_address()),
        "Onfido-ApiTokens": Value::from((CALLING_TENANT..CALLING_TENANT + tenants).map(tenant).collect::<Vec<_>>()).to_string(),
    });
    let written = |error: std::io::Error| format!("{}: {error}", start.folder.display());
    fs::write(start.folder.join("tenants.json"), document.to_string()).map_err(written)?;
    let mut values = start.values();
    let admin = free_address().map_err(|error| format!("no free port: {error}"))?;
    values.push(("ADMIN", admin.to_string()));
    let routes = ledger.map(|ledger| ROUTES.replace("{{LEDGER}}", &ledger.to_string()));
    values.push(("ROUTES", routes.unwrap_or_default()));
    let config = start.folder.join("gateway.toml");
    template::write(&config, include_str!("../../peers/gateway.toml"), start.stage.transport, &values)?;
    let log = File::create(start.folder.join("access.log")).map_err(written)?;
    Launch::new(program, config)
        .through(pinned::command_line(CONTENDER_CORE))
        .spawn(log.into(), Stdio::inherit())
        .map_err(|error| format!("cannot start {}: {error}", program.display()))
}

/// The gateway that is compared with others.
pub(super) const fn variant(comparison: Comparison) -> Variant {
    match comparison {
        Comparison::Peers => Variant { tenants: TENANTS, ledger: None },
        Comparison::Tenants => Variant { tenants: MANY_TENANTS, ledger: None },
        Comparison::Ledger => Variant { tenants: TENANTS, ledger: Some(true) },
    }
}

fn tenant(number: u32) -> Value {
    json!({
        "Name": format!("tenant-{number}"),
        "subscriptionId": format!("sub-{number}"),
        "apiToken": format!("token-{number}"),
        "webhookId": format!("hook-{number}"),
        "ftosEndpoint": "http://127.0.0.1:9/portal",
        "ftosClientId": "client",
        "ftosUsername": "user",
        "ftosPassword": "password",
    })
}

/// The default routes, with the setting that is compared. Both gateways open the event store, for notifications.
const ROUTES: &str = r#"
[[routes]]
name = "webhook"
paths = ["/dcs/kyc2/webhook/notify/{configurationName}"]
methods = ["POST"]
[[routes.plugins]]
plugin = "webhook"
[[routes]]
name = "onfido"
paths = ["/dcs/kyc2/{*path}"]
[[routes.plugins]]
plugin = "subscription"
[[routes.plugins]]
plugin = "onfido"
ledger = {{LEDGER}}
"#;
/// The tenant of all calls (`load.lua`); the others come behind it.
const CALLING_TENANT: u32 = 777;
const MANY_TENANTS: u32 = 10_000;
