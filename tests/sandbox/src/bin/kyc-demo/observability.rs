//! A real Prometheus that scrapes the demo's gateway, with the rules of `conf/alerts.yml`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, absolute};
use std::process::{Command, Stdio};
use std::time::Duration;

use kyc_harness::process::Process;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::narrator::Narrator;
use crate::stage::{Stage, free_or_any};

/// A running Prometheus; it is killed when dropped.
pub(crate) struct Observability {
    _process: Process,
    address: SocketAddr,
}

// === impl Observability ===

impl Observability {
    /// Starts it, and waits until it has scraped the gateway and read the rules.
    pub(crate) async fn start(stage: &Stage, narrator: &mut Narrator) -> Result<Self, Failure> {
        narrator.step("Prometheus scrapes the gateway, with the alerts of conf/alerts.yml");
        let (address, folder) = (free_or_any(9090)?, absolute(&stage.folder)?);
        let file = folder.join("prometheus.yml");
        let written = configuration(stage.gateway.admin(), &absolute(RULES)?);
        std::fs::write(&file, written.to_string())?;
        let log = File::create(folder.join("prometheus.log"))?;
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = Process::spawn(&mut command).map_err(|error| {
            Failure::new(format!("prometheus does not start (apt-get install prometheus): {error}"))
        })?;
        let this = Self { _process: process, address };
        let rules = timeout(LONG, this.scraped(stage)).await;
        let rules = rules.map_err(|_| {
            Failure::new(format!(
                "Prometheus does not scrape the gateway: see {}/prometheus.log",
                folder.display()
            ))
        })?;
        narrator.note(&format!("http://{address} has the gateway as a target and {rules} alerts"));
        narrator.shown(&format!("Prometheus scrapes the gateway and watches {rules} alerts"));
        Ok(this)
    }

    pub(crate) fn show_address(&self, narrator: &Narrator) {
        narrator.say(&format!("Prometheus is at http://{}: its targets, alerts and graphs.", self.address));
    }

    /// Waits for the first good scrape, and returns the number of rules.
    async fn scraped(&self, stage: &Stage) -> usize {
        loop {
            if let (Ok(targets), Ok(rules)) =
                (self.ask(stage, "targets").await, self.ask(stage, "rules").await)
            {
                let list = |value: &Value, pointer: &str| {
                    value.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default()
                };
                let up = list(&targets, "/data/activeTargets");
                let is_up = up.iter().any(|target| target.get("health") == Some(&json!("up")));
                let rules =
                    list(&rules, "/data/groups").iter().map(|group| list(group, "/rules").len()).sum();
                if is_up && rules > 0 {
                    return rules;
                }
            }
            sleep(POLL).await;
        }
    }

    async fn ask(&self, stage: &Stage, what: &str) -> Result<Value, reqwest::Error> {
        let url = format!("http://{}/api/v1/{what}", self.address);
        stage.client.get(url).send().await?.json().await
    }
}

/// YAML contains JSON.
fn configuration(admin: SocketAddr, rules: &Path) -> Value {
    json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": [rules],
        "scrape_configs": [{
            "job_name": "kyc-gateway",
            "static_configs": [{ "targets": [admin.to_string()] }],
        }],
    })
}

/// Relative to the project.
const RULES: &str = "conf/alerts.yml";
const LONG: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);
