//! A plugin from outside the house.

use crate::support::gateway::{Setup, start};
use crate::support::upstream::Echo;

#[tokio::test(flavor = "multi_thread")]
async fn a_third_partys_plugin_adds_its_header_and_its_metric() {
    let onfido = Echo::start().await;
    let routes = r#"
[[routes]]
name = "onfido"
paths = ["/dcs/kyc2/{*path}"]
[[routes.plugins]]
plugin = "acme-stamp"
text = "checked"
[[routes.plugins]]
plugin = "subscription"
[[routes.plugins]]
plugin = "onfido"
"#;
    let gateway = start(Setup::default().onfido(onfido.address).config(routes).binary("acme-gateway")).await;

    let call = reqwest::Client::new().get(gateway.url("/dcs/kyc2/ping")).header("SubscriptionId", "sub-acme");
    let passed = call.send().await.unwrap();
    let refused = reqwest::get(gateway.url("/dcs/kyc2/ping")).await.unwrap();

    assert_eq!((passed.status().as_u16(), refused.status().as_u16()), (200, 401));
    assert!([&passed, &refused].iter().all(|answer| answer.headers()["x-acme-stamp"] == "checked"));
    assert!(gateway.metrics().await.contains(r#"acme_stamped_total{route="onfido"} 2"#));
    gateway.stop().await;
}
