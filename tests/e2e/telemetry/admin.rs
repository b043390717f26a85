//! Metrics, alerts and access lines of a running gateway.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::world::{DIRECT, EVENT, World, routes};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_pass_promtool_check() {
    let world = World::start("").await;
    world.notify("acme", EVENT).await;
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    let client = reqwest::Client::new();
    client
        .get(world.gateway.url("/dcs/kyc2/applicants"))
        .header("SubscriptionId", "sub-acme")
        .send()
        .await
        .unwrap();
    client.get(world.gateway.url("/nowhere")).send().await.unwrap();

    let metrics = world.gateway.metrics().await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let verdict = promtool.wait_with_output().unwrap();

    let said = [verdict.stdout, verdict.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(verdict.status.success() && said.is_empty(), "{said}");
    assert!(metrics.contains("kyc_gateway_portal_logins_total"), "{metrics}");
    let page = include_str!("../../../docs/reference/metrics.md");
    for kind in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = kind.split_once(' ').unwrap();
        assert!(
            page.contains(&format!("| `{name}` | {kind} | ")),
            "the page of metrics has no {kind} {name}"
        );
    }
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_can_require_a_token_and_probes_never_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "token-of-the-scraper\n").unwrap();
    let admin =
        format!("[admin]\naddress = \"127.0.0.1:0\"\nmetrics_token_file = {file:?}\n{}", routes(DIRECT));
    let world = World::start(&admin).await;
    let ask = async |path: &str, token: Option<&str>| {
        let request = reqwest::Client::new().get(world.gateway.admin(path));
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        request.send().await.unwrap().status().as_u16()
    };

    let found = [
        ask("/metrics", None).await,
        ask("/metrics", Some("token-of-the-scrape")).await,
        ask("/metrics", Some("token-of-the-scraper")).await,
        ask("/livez", None).await,
        ask("/readyz", None).await,
    ];
    std::fs::write(&file, "another-token-of-the-scraper").unwrap();
    let replaced = ask("/metrics", Some("another-token-of-the-scraper")).await;

    assert_eq!((found, replaced), ([401, 401, 200, 200, 200], 200));
    assert!(!world.gateway.stop().await.contains("token-of-the-scraper"));
}

#[test]
fn alert_rules_pass_promtool_check() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/alerts.yml");

    let verdict = Command::new("promtool").args(["check", "rules", rules]).output().unwrap();

    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stderr));
    let text = std::fs::read_to_string(rules).unwrap();
    let tested = TESTED.concat();
    for alert in text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        // Only an alert that fires has annotations in the tests.
        let runbook = format!("runbook.html#{}\"", alert.to_lowercase());
        assert!(tested.contains(&runbook), "no test makes {alert} fire");
    }
    let text = [text.as_str(), &tested].concat();
    let named = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let names = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/gateway/telemetry/src/names.rs"));
    for name in named.filter(|word| ["kyc_gateway_", "process_"].iter().any(|begin| word.starts_with(begin)))
    {
        let name = name.trim_end_matches("_bucket").trim_end_matches("_count");
        assert!(names.contains(&format!("\"{name}\"")), "{name} is no metric of the gateway");
    }
}

/// No alert fired for an event that its portal repeatedly refused while it accepted others, nor for gauges that were no longer
/// updated.
#[test]
fn alerts_of_stored_events_fire_at_the_expected_times() {
    let tests = ["alerts.yml", "alerts.test.yml", "every.test.yml"]
        .map(|name| format!("{}/tests/e2e/telemetry/{name}", env!("CARGO_MANIFEST_DIR")));

    let verdict = Command::new("promtool").args(["test", "rules"]).args(tests).output().unwrap();

    let said = [verdict.stdout, verdict.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(verdict.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn access_log_has_one_line_per_request_without_its_content() {
    let world = World::start("").await;
    let client = reqwest::Client::new();
    let call = client
        .get(world.gateway.url("/dcs/kyc2/applicants/id-1?page=2"))
        .header("SubscriptionId", "sub-acme");
    let answer = call.send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    client.get(world.gateway.url("/nowhere")).send().await.unwrap();

    let log = world.gateway.stop().await;

    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["target"] == "access")
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    // The two calls used separate connections, so the order of their lines is not defined.
    let line = lines.iter().find(|line| line["request_id"] == id.as_str()).unwrap();
    assert_eq!((&line["route"], &line["tenant"]), (&"onfido".into(), &"acme".into()));
    assert_eq!((&line["status"], &line["method"]), (&404.into(), &"GET".into()));
    assert!(line["duration_us"].as_u64().unwrap() >= line["upstream_us"].as_u64().unwrap());
    assert!(line["response_bytes"].as_u64().unwrap() > 0);
    assert!(!log.contains("id-1") && !log.contains("page=2"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_requests_in_flight() {
    let world = World::start("").await;
    let body = r#"{"applicant_id":"1","report_names":["document"],"asynchronous":false}"#;
    let created = reqwest::Client::new()
        .post(world.gateway.url("/dcs/kyc2/applicants"))
        .header("SubscriptionId", "sub-acme")
        .header("Content-Type", "application/json")
        .body(r#"{"first_name":"Ana","last_name":"Pop"}"#)
        .send()
        .await
        .unwrap();
    let applicant: Value = serde_json::from_str(&created.text().await.unwrap()).unwrap();
    let body = body.replace("\"1\"", &applicant["id"].to_string());
    // The simulated Onfido answers a synchronous check after a second.
    let call = reqwest::Client::new()
        .post(world.gateway.url("/dcs/kyc2/checks"))
        .header("SubscriptionId", "sub-acme")
        .header("Content-Type", "application/json")
        .body(body);

    let in_flight = tokio::spawn(call.send());
    let seen = world
        .onfido
        .requests()
        .wait_for(|calls| calls.iter().any(|call| call.path == "/v3.6/checks").then_some(()));
    seen.await.unwrap();
    let log = world.gateway.stop().await;

    assert_eq!(in_flight.await.unwrap().unwrap().status(), 201);
    assert!(log.contains("drained"), "{log}");
}

/// The tests of the alerts.
const TESTED: [&str; 3] =
    [include_str!("alerts.yml"), include_str!("alerts.test.yml"), include_str!("every.test.yml")];
