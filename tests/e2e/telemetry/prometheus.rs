//! A Prometheus scrapes a gateway under load: every query of the dashboard and every rule is answered.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kyc_harness::process::Process;
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::soon;
use crate::support::world::{EVENT, World, routes, with};
use crate::telemetry::plot::{self, Plot};

/// A running Prometheus with its address; it is killed when dropped.
pub(super) struct Prometheus {
    _process: Process,
    _folder: tempfile::TempDir,
    url: String,
}

// === impl Prometheus ===

impl Prometheus {
    /// Starts one that scrapes the gateway's admin listener each second and evaluates the rules as often.
    pub(super) fn start(gateway: SocketAddr, rules: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // JSON is YAML.
        let config = json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "scrape_configs": [{ "job_name": "kyc-gateway", "static_configs": [{ "targets": [gateway] }] }],
        });
        std::fs::write(folder.path().join("prometheus.yml"), config.to_string()).unwrap();
        let options =
            ["--config.file=prometheus.yml", "--web.listen-address=127.0.0.1:0", "--storage.tsdb.path=data"];
        let mut command = Command::new("sh");
        command.args(["-c", "exec prometheus \"$@\" 2>&1", "sh"]).args(options);
        command.current_dir(folder.path()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap();
        let mut log = BufReader::new(process.take_output().unwrap()).lines().map_while(Result::ok);
        let listening = log.find(|line| line.contains("msg=\"Listening on\"")).unwrap();
        let address = listening.rsplit("address=").next().unwrap();
        // Until then it answers 503.
        log.find(|line| line.contains("Server is ready")).unwrap();
        let url = format!("http://{address}/api/v1");
        // Its pipe must be read for as long as it writes.
        std::thread::spawn(move || log.for_each(drop));
        Self { _process: process, _folder: folder, url }
    }

    /// Asks the API.
    pub(super) async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = reqwest::Url::parse_with_params(&format!("{}/{path}", self.url), query).unwrap();
        let answer = reqwest::get(url).await.unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(answer["status"], "success", "{query:?}: {answer}");
        answer["data"].clone()
    }
}

/// The rule file.
pub(super) fn shipped_rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/alerts.yml")
}

/// The queries of the dashboard.
fn queries() -> BTreeSet<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(query).collect()
}

/// The query of a target, with values for Grafana's variables.
fn query(target: &Value) -> String {
    let values = [("$instance", ".*"), ("$tenant", ".*"), ("$__rate_interval", "30s"), ("$__range", "1m")];
    let query = target["expr"].as_str().unwrap().to_owned();
    values.iter().fold(query, |query, (name, value)| query.replace(name, value))
}

/// Draws the panels with the last minute, in `target/dashboard.html`.
async fn draw(prometheus: &Prometheus) {
    let dashboard = dashboard();
    let now = prometheus.ask("query", &[("query", "time()")]).await["result"][0].as_f64().unwrap();
    let (begin, end) = ((now - 60.0).to_string(), now.to_string());
    let mut plots = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let Some(targets) = panel["targets"].as_array() else { continue };
        let mut series = Vec::new();
        for target in targets {
            let query = query(target);
            let range = [("query", query.as_str()), ("start", &begin), ("end", &end), ("step", "1")];
            let answer = prometheus.ask("query_range", &range).await;
            series.extend(plot::series(target["legendFormat"].as_str().unwrap(), &answer));
        }
        plots.push(Plot { panel, series });
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dashboard.html");
    std::fs::write(page, plot::page(&plots)).unwrap();
}

fn dashboard() -> Value {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana/kyc-gateway.json"));
    serde_json::from_str(text).unwrap()
}

/// Calls and notifications of a tenant whose Onfido and portal work, and of one whose both are away.
async fn load(world: &World) {
    let client = Client::new();
    for (tenant, path) in [("acme", "applicants"), ("globex", "applicants"), ("nobody", "applicants")] {
        let call = client.get(world.gateway.url(&format!("/dcs/kyc2/{path}")));
        call.header("SubscriptionId", format!("sub-{tenant}")).send().await.unwrap();
    }
    // Each is another event for the store.
    for (tenant, body) in [("acme", EVENT), ("globex", EVENT), ("acme", r#"{"no":"event"}"#)] {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let body = body.replacen('{', &format!("{{\"number\":{number},"), 1);
        world.notify(tenant, &body).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_dashboard_and_every_rule_returns_data() {
    let nowhere = "http://127.0.0.1:9";
    // The end of `routes` is the plugin `onfido`.
    let config = format!("{}limits = {{ failures = 3, open = \"2s\" }}\n", routes(""));
    let world = World::start_with(&config, |entry| match entry["Name"].as_str() {
        Some("globex") => with(with(entry, "ftosEndpoint", nowhere), "baseUrl", &format!("{nowhere}/v3.6")),
        _ => entry,
    })
    .await;
    let prometheus = Prometheus::start(world.gateway.listener("admin"), &shipped_rules());
    let queries = queries();
    let (expected, others): (Vec<&String>, Vec<&String>) =
        queries.iter().partition(|query| !ELSEWHERE.iter().any(|name| query.contains(name)));

    let mut empty = expected.clone();
    let answered = async {
        soon(async || {
            load(&world).await;
            let mut left = Vec::new();
            for query in &empty {
                let found = prometheus.ask("query", &[("query", query.as_str())]).await;
                if found["result"].as_array().unwrap().is_empty() {
                    left.push(*query);
                }
            }
            empty = left;
            empty.is_empty().then_some(())
        })
        .await;
    };
    let is_answered = tokio::time::timeout(Duration::from_secs(55), answered).await;

    assert!(expected.len() > 50 && others.len() < 12, "{} expected, {others:#?}", expected.len());
    assert!(is_answered.is_ok(), "without data: {empty:#?}");
    draw(&prometheus).await;
    for query in others {
        prometheus.ask("query", &[("query", query.as_str())]).await;
    }
    let rules = prometheus.ask("rules", &[]).await;
    let rules =
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let unhealthy: Vec<&Value> = rules.filter(|rule| rule["health"] != "ok").collect();
    assert!(unhealthy.is_empty(), "{unhealthy:#?}");
    for record in ["calls_failed", "notifications_late"] {
        let query = format!("kyc_gateway:{record}:ratio_rate5m");
        let found = prometheus.ask("query", &[("query", &query)]).await;
        assert_eq!(found["result"].as_array().unwrap().len(), 1, "{query}");
    }
    let alerts = prometheus.ask("alerts", &[]).await;
    let names: BTreeSet<&str> = alerts["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["labels"]["alertname"].as_str().unwrap())
        .collect();
    for name in ["UpstreamBreakerOpen", "PortalHeld", "EventsDead"] {
        assert!(names.contains(name), "{name} is neither pending nor firing: {names:?}");
    }
    assert!(!names.contains("GatewayNotReady") && !names.contains("GatewayAbsent"), "{names:?}");
    world.gateway.stop().await;
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Metrics of faults that other tests cause.
const ELSEWHERE: [&str; 8] = [
    "kyc_gateway_callers_refused_total",
    "kyc_gateway_rate_limit_requests_total",
    "kyc_gateway_events_parked",
    "kyc_gateway_event_store_refusals_total",
    "kyc_gateway_downstream_connections_refused_total",
    "kyc_gateway_listener_certificate_expires_timestamp_seconds",
    "kyc_gateway_listener_client_ca_expires_timestamp_seconds",
    "kyc_gateway_log_events_dropped_total",
];
