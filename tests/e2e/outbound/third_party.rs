//! Plugins of third parties (`tests/examples`).

use serde_json::{Value, json};

use crate::support::gateway::{Setup, start};
use crate::support::upstream::Echo;

const ROUTES: &str = r#"
[[routes]]
name = "onfido"
paths = ["/dcs/kyc2/{*path}"]
[[routes.plugins]]
plugin = "acme-stamp"
text = "checked"
panics_at = "/dcs/kyc2/boom"
[[routes.plugins]]
plugin = "subscription"
[[routes.plugins]]
plugin = "onfido"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn third_party_plugin_adds_a_header_and_a_metric() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address).config(ROUTES).binary("acme-gateway")).await;

    let call = reqwest::Client::new().get(gateway.url("/dcs/kyc2/ping")).header("SubscriptionId", "sub-acme");
    let passed = call.send().await.unwrap();
    let refused = reqwest::get(gateway.url("/dcs/kyc2/ping")).await.unwrap();

    assert_eq!((passed.status().as_u16(), refused.status().as_u16()), (200, 401));
    assert!([&passed, &refused].iter().all(|answer| answer.headers()["x-acme-stamp"] == "checked"));
    assert!(gateway.metrics().await.contains(r#"acme_stamped_total{route="onfido"} 2"#));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panic_in_a_plugin_fails_one_request() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address).config(ROUTES).binary("acme-gateway")).await;
    let client = reqwest::Client::new();
    let call = |path: &str| {
        client.get(gateway.url(&format!("/dcs/kyc2/{path}"))).header("SubscriptionId", "sub-acme").send()
    };

    let paths = ["ping", "boom"].into_iter().cycle().take(40);
    let answers = futures::future::join_all(paths.map(&call)).await;

    let good =
        answers.iter().step_by(2).filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200));
    assert_eq!(
        (good.count(), answers.iter().skip(1).step_by(2).filter(|answer| answer.is_err()).count()),
        (20, 20)
    );
    assert_eq!(call("ping").await.unwrap().status(), 200);
    let metrics = crate::support::soon(async || {
        Some(gateway.metrics().await).filter(|metrics| metrics.contains("kyc_gateway_in_flight_requests 0"))
    })
    .await;
    let panics = metrics.lines().find_map(|line| line.strip_prefix("kyc_gateway_panics_total "));
    // HTTP clients retry a request if its connection was closed without a response.
    assert!(panics.is_some_and(|panics| panics.parse::<usize>().unwrap() >= 20), "{panics:?}");
    let limits = gateway.kernel("limits");
    let core: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max core")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "soft and hard");
    let log = gateway.stop().await;
    assert!(
        log.contains("\"reason\":\"this plugin has a mistake\"") && log.contains("src/stamp.rs"),
        "{log}"
    );
}

const BLOCKLIST: &str = r#"
[log]
level = "debug"
[[routes]]
name = "onfido"
paths = ["/dcs/kyc2/{*path}"]
[[routes.plugins]]
plugin = "subscription"
[[routes.plugins]]
plugin = "acme-blocklist"
file = "blocked.txt"
max_bytes = 65536
[[routes.plugins]]
plugin = "onfido"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn third_party_plugin_reads_bodies_runs_background_work_and_adds_an_admin_page() {
    let onfido = Echo::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blocked.txt");
    std::fs::write(&file, "bad.example\n").unwrap();
    let config = BLOCKLIST.replace("blocked.txt", file.to_str().unwrap());
    let gateway = start(Setup::default().onfido(onfido.address).config(&config).binary("acme-gateway")).await;
    let client = reqwest::Client::new();
    let applicant = async |email: &str| {
        let call = client.post(gateway.url("/dcs/kyc2/applicants")).header("SubscriptionId", "sub-acme");
        call.json(&json!({ "email": email })).send().await.unwrap().status().as_u16()
    };

    let before = [applicant("a@good.example").await, applicant("a@BAD.example").await];
    std::fs::write(&file, "bad.example\ngood.example\n").unwrap();
    let page = crate::support::soon(async || {
        let page = reqwest::get(gateway.admin("/acme-blocklist")).await.unwrap();
        let page: Value = serde_json::from_str(&page.text().await.unwrap()).unwrap();
        Some(page).filter(|page| page["domains"] == 2)
    })
    .await;
    let after = applicant("a@good.example").await;

    assert_eq!((before, page, after), ([200, 403], json!({ "domains": 2 }), 403));
    assert!(gateway.metrics().await.contains(r#"acme_blocked_total{route="onfido"} 2"#));
    let log = gateway.stop().await;
    let debug: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["level"] == "DEBUG")
        .collect();
    let is_from =
        |target: &str| debug.iter().any(|line| line["target"].as_str().unwrap().starts_with(target));
    assert!(is_from("acme_stamp::blocklist"), "the log's level holds for plugins, too: {log}");
    let foreign = |line: &&Value| {
        !["acme_", "kyc_"].iter().any(|own| line["target"].as_str().unwrap().starts_with(own))
    };
    assert_eq!(debug.iter().find(foreign), None, "libraries stay at warn");
}
