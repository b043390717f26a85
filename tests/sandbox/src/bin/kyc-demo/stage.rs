//! The environment of the demo: a simulated Onfido, two portals, the gateway and its files.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use kyc_harness::gateway::{Gateway, Launch};
use kyc_sandbox::onfido::{self, Onfido, Webhook};
use kyc_sandbox::portal::{self, Dialect, Portal};
use kyc_sandbox::tenants;

use crate::failure::Failure;
use crate::narrator::Narrator;

pub(crate) struct Stage {
    pub(crate) onfido: Onfido,
    pub(crate) gateway: Gateway,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) client: reqwest::Client,
    pub(crate) folder: PathBuf,
    /// The gateway's program, which also has the commands.
    pub(crate) program: PathBuf,
}

/// A tenant with its accounts at Onfido and at its portal.
pub(crate) struct Tenant {
    pub(crate) name: &'static str,
    pub(crate) subscription_id: String,
    pub(crate) webhook: Webhook,
    pub(crate) portal: Portal,
    pub(crate) dialect: Dialect,
}

// === impl Stage ===

impl Stage {
    /// Starts everything, with the gateway `program` and its files in `folder`.
    pub(crate) async fn start(program: PathBuf, folder: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder)?;
        // Stored events of an earlier demo belong to portals that no longer exist.
        match std::fs::remove_dir_all(folder.join("data")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let folder = folder.to_owned();
        let settings = onfido::Settings {
            completion: Duration::from_millis(500),
            retry_clock: 30,
            ..onfido::Settings::default()
        };
        let onfido = Onfido::start(settings).await?;
        let (mut cast, mut entries) = (Vec::new(), Vec::new());
        for (name, dialect) in [("acme", Dialect::Legacy), ("globex", Dialect::Keycloak)] {
            let (tenant, entry) = add_tenant(&onfido, name, dialect).await?;
            cast.push(tenant);
            entries.push(entry);
        }
        tenants::write(&folder.join("tenants.json"), &onfido.base_url(), &entries)?;
        let file = folder.join("gateway.toml");
        std::fs::write(&file, configuration(free_or_any(8080)?, free_or_any(9464)?))?;
        std::fs::write(folder.join(PASSPORT), passport())?;
        let gateway = Gateway::start(Launch::new(&program, file)).await?;
        for tenant in &cast {
            onfido.point_webhook(tenant.name, &tenant.webhook.id, &tenant.notify_url(&gateway));
        }
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { onfido, gateway, tenants: cast, client, folder, program })
    }

    pub(crate) fn introduce(&self, narrator: &Narrator) {
        narrator.say("A simulated Onfido, two simulated FintechOS portals, and the gateway between them.");
        narrator.say(&format!("\n    gateway        {}/dcs/kyc2", self.gateway.url()));
        narrator.say(&format!("    its admin      http://{}/metrics", self.gateway.admin()));
        narrator.say(&format!("    configuration  {}", self.folder.join("gateway.toml").display()));
        narrator.say(&format!("    tenants        {}", self.folder.join("tenants.json").display()));
        narrator.say(&format!("    Onfido         {}", self.onfido.base_url()));
        for tenant in &self.tenants {
            let dialect = match tenant.dialect {
                Dialect::Legacy => "GetToken and CallAction",
                Dialect::Keycloak => "keycloakToken and automation processors",
            };
            narrator.say(&format!("    {:14} portal {}, {dialect}", tenant.name, tenant.portal.url()));
        }
    }

    pub(crate) fn show_addresses(&self, narrator: &Narrator) {
        narrator.say("\nEverything stays up; the curl lines above can be repeated. What each has seen:");
        narrator.say(&format!("    curl -s http://{}/_sandbox/requests", self.onfido.address()));
        for tenant in &self.tenants {
            narrator.say(&format!("    curl -s http://{}/_sandbox/events", tenant.portal.address()));
        }
        narrator.say(&format!("    curl -s http://{}/metrics", self.gateway.admin()));
        narrator.say("Ctrl-C ends it.");
    }

    /// Kills the gateway and starts it again. Returns both process ids.
    pub(crate) async fn crash(&mut self) -> Result<(u32, u32), Failure> {
        let old = self.gateway.pid();
        self.gateway.crash().await?;
        Ok((old, self.gateway.pid()))
    }

    /// Writes the gateway's log to the folder of its configuration.
    pub(crate) fn keep_log(&self) -> Result<(), Failure> {
        Ok(std::fs::write(self.folder.join("gateway.log"), self.gateway.log().text())?)
    }

    pub(crate) async fn until_told_to_stop(&self) -> Result<(), Failure> {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupt = tokio::signal::ctrl_c() => Ok(interrupt?),
            _ = terminate.recv() => Ok(()),
        }
    }

    /// Stops everything. The gateway finishes its requests in flight.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        let (_, log) = self.gateway.stop().await?;
        Ok(std::fs::write(self.folder.join("gateway.log"), log)?)
    }
}

// === impl Tenant ===

impl Tenant {
    /// The URL for Onfido's notifications of this tenant.
    pub(crate) fn notify_url(&self, gateway: &Gateway) -> String {
        format!("{}/dcs/kyc2/webhook/notify/{}", gateway.url(), self.name)
    }
}

/// Creates a tenant's accounts at Onfido and at its own portal. Returns them with the tenant's entry of the tenant document.
async fn add_tenant(
    onfido: &Onfido,
    name: &'static str,
    dialect: Dialect,
) -> Result<(Tenant, tenants::Entry), Failure> {
    let api_token = format!("api_sandbox.{name}");
    onfido.add_account(name, &api_token);
    let webhook = onfido
        .add_webhook(name, "http://127.0.0.1/set-when-the-gateway-is-there")
        .ok_or_else(|| Failure::new("the account does not exist"))?;
    let webhook = Webhook { environments: vec!["sandbox".to_owned()], ..webhook };
    onfido.put_webhook(name, webhook.clone());
    let (username, password) = (format!("{name}-onfido"), format!("{name}-password"));
    let client_id = (dialect == Dialect::Legacy).then(|| "dcs".to_owned());
    let account = portal::Account {
        tenant: name.to_owned(),
        username: username.clone(),
        password: password.clone(),
        client_id: client_id.clone(),
    };
    let portal = Portal::start(portal::Settings::new(vec![account])).await?;
    let subscription_id = format!("subscription-of-{name}");
    let entry = tenants::Entry {
        name: name.to_owned(),
        subscription_id: subscription_id.clone(),
        api_token,
        webhook_id: Some(webhook.id.clone()),
        ftos_endpoint: portal.url(),
        ftos_client_id: client_id,
        ftos_username: username,
        ftos_password: password,
        ftos_auth: (dialect == Dialect::Keycloak).then(|| "keycloak".to_owned()),
        // acme has no signing token in the document, so that the gateway fetches it from Onfido.
        webhook_token: (dialect == Dialect::Keycloak).then(|| webhook.token.clone()),
        ..tenants::Entry::default()
    };
    Ok((Tenant { name, subscription_id, webhook, portal, dialect }, entry))
}

fn configuration(main: SocketAddr, admin: SocketAddr) -> String {
    format!(
        "# Written by the demo. The routes are the defaults; conf/gateway.toml documents every key.\n\
         [[listeners]]\nname = \"main\"\naddress = \"{main}\"\n\n\
         [admin]\naddress = \"{admin}\"\n\n\
         [tenants]\nsource = \"file\"\npoll = \"1s\"\n\n\
         [tenants.file]\npath = \"tenants.json\"\n\n\
         [reconciliation]\noverdue = \"{OVERDUE}\"\n"
    )
}

/// Returns the given port if it is free, otherwise another free one. The gateway uses it again after its crash.
pub(crate) fn free_or_any(port: u16) -> std::io::Result<SocketAddr> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    TcpListener::bind(wanted).or_else(|_| TcpListener::bind(any))?.local_addr()
}

/// The bytes of a file that begins like a PNG image.
pub(crate) fn passport() -> Vec<u8> {
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    picture.resize(64 * 1024, b'p');
    picture
}

/// `reconciliation.overdue` of the demo.
pub(crate) const OVERDUE: &str = "3s";
pub(crate) const PASSPORT: &str = "passport.png";
