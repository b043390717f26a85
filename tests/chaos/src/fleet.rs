//! Gateways as processes, and a portal for each tenant.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kyc_sandbox::portal::{Account, Mode, Portal, Settings};
use kyc_sandbox::tenants::{Entry, write};
use tokio::time::{Instant, sleep};

use crate::gateway::Gateway;
use crate::notification::{api_token, signing_token, tenant_name, webhook_id};
use crate::{Failure, progress};

/// What a fleet is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub binary: PathBuf,
    /// How many gateways.
    pub gateways: usize,
    /// How many tenants, each with a portal.
    pub tenants: usize,
    /// The address of a PostgreSQL database; none for a SQLite file.
    pub database: Option<String>,
    /// More settings of the webhook plugin.
    pub settings: String,
    /// Whether portals keep deliveries in memory, with their times.
    pub keep: bool,
    /// Whether portals sync what they take to disk before they answer.
    pub sync: bool,
}

/// Portals and gateways.
#[derive(Debug)]
pub struct Fleet {
    folder: tempfile::TempDir,
    /// In the order of the tenants.
    pub portals: Vec<Portal>,
    /// All of them, running or not.
    pub gateways: Vec<Gateway>,
    entries: Vec<Entry>,
    upstream: String,
}

// === impl Fleet ===

impl Fleet {
    /// Starts portals and gateways, which forward no calls.
    ///
    /// # Errors
    ///
    /// What does not start.
    pub async fn start(plan: &Plan) -> Result<Self, Failure> {
        Self::start_before(UPSTREAM, plan).await
    }

    /// Starts portals, and gateways before this Onfido.
    ///
    /// # Errors
    ///
    /// What does not start.
    pub async fn start_before(upstream: &str, plan: &Plan) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let (mut portals, mut entries) = (Vec::new(), Vec::new());
        for tenant in 0..plan.tenants {
            let (portal, entry) = portal(folder.path(), tenant, plan).await?;
            portals.push(portal);
            entries.push(entry);
        }
        write(&folder.path().join(TENANTS), upstream, &entries)?;
        let store = match &plan.database {
            Some(url) => {
                fs::write(folder.path().join("database"), url)?;
                fs::write(folder.path().join("key"), "5e".repeat(32))?;
                "events.postgres_file = \"database\"\nevents.key_file = \"key\"\n"
            }
            None => "events.path = \"store/events.db\"\n",
        };
        let mut gateways = Vec::new();
        for number in 0..plan.gateways {
            let mut gateway =
                Gateway::place(folder.path(), number, &plan.binary, &format!("{store}{}", plan.settings))?;
            gateway.start(None).await?;
            gateways.push(gateway);
        }
        Ok(Self { folder, portals, gateways, entries, upstream: upstream.to_owned() })
    }

    /// Where notifications go.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(|gateway| gateway.address).collect()
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A gateway's place.
    ///
    /// # Errors
    ///
    /// There is no such gateway.
    pub fn gateway(&mut self, number: usize) -> Result<&mut Gateway, Failure> {
        self.gateways.get_mut(number).ok_or_else(|| Failure(format!("there is no gateway {number}")))
    }

    /// Sets all portals to a mode.
    pub fn set_mode(&self, mode: &Mode) {
        self.portals.iter().for_each(|portal| portal.set_mode(mode.clone()));
    }

    /// Changes the tenants' entries, which ends all holds, and returns when the gateways have them.
    ///
    /// # Errors
    ///
    /// A gateway does not take them.
    pub async fn renew_entries(&mut self) -> Result<(), Failure> {
        self.entries.iter_mut().for_each(|entry| entry.api_token.push('n'));
        write(&self.folder.path().join(TENANTS), &self.upstream, &self.entries)?;
        for gateway in &self.gateways {
            post(gateway, "admin/reload").await?;
        }
        Ok(())
    }

    /// What the portals have noted durably.
    pub fn ledgers(&self) -> Vec<PathBuf> {
        (0..self.portals.len()).map(|tenant| ledger(self.folder.path(), tenant)).collect()
    }

    /// Waits until no event waits any more.
    ///
    /// # Errors
    ///
    /// Some still do after ten minutes.
    pub async fn drain(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + DRAIN;
        while Instant::now() < deadline {
            if !self.waits().await? {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        Err(Failure(format!("events still wait after {} s", DRAIN.as_secs())))
    }

    /// Says whether an event waits.
    ///
    /// # Errors
    ///
    /// The gateway does not say.
    pub async fn waits(&self) -> Result<bool, Failure> {
        Ok(!self.list("waiting", 1).await?.is_empty())
    }

    /// The numbers of the dead events, 1000 at most.
    ///
    /// # Errors
    ///
    /// The gateway does not say.
    pub async fn dead(&self) -> Result<Vec<u64>, Failure> {
        let events = self.list("dead", 1000).await?;
        let number = |event: &serde_json::Value| {
            let (_, number) = event.get("resource")?.as_str()?.rsplit_once('-')?;
            number.parse().ok()
        };
        Ok(events.iter().filter_map(number).collect())
    }

    /// Changes stored events as an operator does.
    ///
    /// # Errors
    ///
    /// The gateway does not do it.
    pub async fn change(&self, command: &str) -> Result<String, Failure> {
        let gateway = self.gateways.first().ok_or_else(|| Failure("there is no gateway".to_owned()))?;
        let text = post(gateway, &format!("events/{command}")).await?;
        progress(&format!("{command}: {}", text.trim()));
        Ok(text)
    }

    async fn list(&self, state: &str, limit: usize) -> Result<Vec<serde_json::Value>, Failure> {
        let gateway = self.gateways.first().ok_or_else(|| Failure("there is no gateway".to_owned()))?;
        let url = format!("http://{}/events?state={state}&limit={limit}", gateway.admin());
        let answer = reqwest::get(url).await.map_err(|error| Failure::from(("events", error)))?;
        let text = answer.text().await.map_err(|error| Failure::from(("events", error)))?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| Failure::from(("events", error)))?;
        match value.get("events").and_then(serde_json::Value::as_array) {
            Some(events) => Ok(events.clone()),
            // A database that was just killed may not answer yet; something may wait there.
            None => Ok(vec![serde_json::Value::Null]),
        }
    }

    /// How often a text stands in the gateways' logs.
    ///
    /// # Errors
    ///
    /// A log cannot be read.
    pub fn logged(&self, text: &str) -> Result<usize, Failure> {
        let mut found = 0;
        for gateway in &self.gateways {
            found += fs::read_to_string(gateway.log())?.lines().filter(|line| line.contains(text)).count();
        }
        Ok(found)
    }
}

async fn portal(folder: &Path, tenant: usize, plan: &Plan) -> Result<(Portal, Entry), Failure> {
    let name = tenant_name(tenant);
    let (username, password) = (format!("user-{tenant}"), format!("password-{tenant}"));
    let client_id = tenant.is_multiple_of(2).then(|| "client".to_owned());
    let account = Account {
        tenant: name.clone(),
        username: username.clone(),
        password: password.clone(),
        client_id: client_id.clone(),
    };
    let settings = Settings {
        ledger: Some(ledger(folder, tenant)),
        keep: plan.keep,
        sync: plan.sync,
        ..Settings::new(vec![account])
    };
    let portal = Portal::start(settings).await?;
    let entry = Entry {
        subscription_id: format!("sub-{tenant}"),
        api_token: api_token(tenant),
        webhook_id: Some(webhook_id(tenant)),
        webhook_token: Some(signing_token(tenant)),
        ftos_endpoint: portal.url(),
        ftos_client_id: client_id,
        ftos_username: username,
        ftos_password: password,
        name,
        ..Entry::default()
    };
    Ok((portal, entry))
}

/// Asks a gateway for a change as an operator does.
async fn post(gateway: &Gateway, path: &str) -> Result<String, Failure> {
    let sent = reqwest::Client::new()
        .post(format!("http://{}/{path}", gateway.admin()))
        .header("x-admin-reason", "test")
        .header("x-admin-intent", "command")
        .send()
        .await;
    let answer = sent.and_then(reqwest::Response::error_for_status);
    let answer = answer.map_err(|error| Failure::from(("admin", error)))?;
    answer.text().await.map_err(|error| Failure::from(("admin", error)))
}

fn ledger(folder: &Path, tenant: usize) -> PathBuf {
    folder.join(format!("portal-{tenant}.jsonl"))
}

const TENANTS: &str = "tenants.json";
const UPSTREAM: &str = "http://127.0.0.1:9/v3.6";
const DRAIN: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(100);
