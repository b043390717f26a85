//! A plugin from outside the house.

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
async fn a_third_partys_plugin_adds_its_header_and_its_metric() {
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
async fn a_panic_in_a_plugin_costs_one_request() {
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
    // A client sends a request again whose connection was closed without an answer.
    assert!(panics.is_some_and(|panics| panics.parse::<usize>().unwrap() >= 20), "{panics:?}");
    let limits = gateway.kernel("limits");
    let core: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max core")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "soft and hard");
    let log = gateway.stop().await;
    assert!(
        log.contains("\"reason\":\"this plugin has a mistake\"") && log.contains("examples/src/lib.rs"),
        "{log}"
    );
}
