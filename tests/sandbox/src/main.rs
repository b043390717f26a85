//! Serves a simulated Onfido and a simulated portal until Ctrl-C.
#![expect(clippy::print_stdout, reason = "prints the addresses and accounts")]

use std::process::ExitCode;

use clap::Parser;

use kyc_sandbox::onfido::{self, Onfido};
use kyc_sandbox::portal::{self, Portal};

/// A simulated Onfido and a simulated FintechOS portal.
#[derive(Parser)]
#[command(name = "kyc-sandbox", version)]
struct Arguments {
    /// Onfido's port; 0 selects a free one.
    #[arg(long, default_value_t = 8081)]
    onfido_port: u16,
    /// The portal's port; 0 selects a free one.
    #[arg(long, default_value_t = 8082)]
    portal_port: u16,
    /// A tenant with the account `NAME` at both. Can be repeated.
    #[arg(long = "tenant", value_name = "NAME", default_values_t = ["acme".to_owned()])]
    tenants: Vec<String>,
    /// The URL for notifications; the tenant's name is appended.
    #[arg(long, default_value = "http://127.0.0.1:8080/dcs/kyc2/webhook/notify/")]
    notify: String,
    /// The factor by which the retries of notifications are faster than Onfido's.
    #[arg(long, default_value_t = 1)]
    retry_clock: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("kyc-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> std::io::Result<()> {
    let settings = onfido::Settings {
        port: arguments.onfido_port,
        retry_clock: arguments.retry_clock,
        ..onfido::Settings::default()
    };
    let onfido = Onfido::start(settings).await?;
    let accounts = arguments.tenants.iter().map(|name| portal::Account {
        tenant: name.clone(),
        username: format!("{name}-onfido"),
        password: format!("{name}-password"),
        client_id: Some("dcs".to_owned()),
    });
    let settings =
        portal::Settings { port: arguments.portal_port, ..portal::Settings::new(accounts.collect()) };
    let portal = Portal::start(settings).await?;
    println!("Onfido {}  (requests: http://{}/_sandbox/requests)", onfido.base_url(), onfido.address());
    println!("portal {}  (events: http://{}/_sandbox/events)", portal.url(), portal.address());
    for name in &arguments.tenants {
        let token = format!("api_sandbox.{name}");
        onfido.add_account(name, &token);
        if let Some(webhook) = onfido.add_webhook(name, &format!("{}{name}", arguments.notify)) {
            println!("tenant {name}: apiToken {token}, webhookId {}, ftosClientId dcs,", webhook.id);
            println!("    ftosUsername {name}-onfido, ftosPassword {name}-password");
        }
    }
    tokio::signal::ctrl_c().await
}
