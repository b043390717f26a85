//! Canary tests: no secret of the tenant document appears in any output of the gateway.

mod callers;
mod oauth;

use std::collections::BTreeSet;

use kyc_sandbox::onfido::Webhook;
use kyc_sandbox::portal::Mode;
use kyc_sandbox::signature::sign;

use crate::notifications::durable::{event, stored, wait_for_all};
use crate::support::soon;
use crate::support::world::{DIRECT, EVENT, World, routes, with};

/// Fields that hold a secret, by what the world's tenants have in them.
const SECRETS: [&str; 14] = [
    "token-acme",
    "token-globex",
    "sign-acme",
    "sign-globex",
    "password-acme",
    "password-globex",
    "user-acme",
    "user-globex",
    "client-acme",
    "sub-acme",
    "sub-globex",
    "canary-header",
    "canary-query",
    "canary-body",
];

#[expect(clippy::too_many_lines, reason = "every way out, one after the other")]
#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_no_log_metric_response_or_admin_page() {
    let probed = "doctor.interval = \"1s\"\n";
    let world = World::start(&format!("{probed}[log]\nlevel = \"trace\"\n{}", routes(DIRECT))).await;
    let client = reqwest::Client::new();
    let mut texts = Vec::new();

    // Calls: good, refused, malformed, to a path with ids.
    for (subscription, path) in [
        ("sub-acme", "applicants/canary-path?x=canary-query"),
        ("sub-globex", "checks"),
        ("sub-nobody", "applicants"),
        ("sub-acme,sub-globex", "applicants"),
        ("sub-acme", "oauth/token"),
        ("sub-acme", "a%2fb"),
    ] {
        for method in ["GET", "POST"] {
            let answer = client
                .request(method.parse().unwrap(), world.gateway.url(&format!("/dcs/kyc2/{path}")))
                .header("SubscriptionId", subscription)
                .header("Authorization", "Token token=canary-header")
                .header("Cookie", "a=canary-header")
                .header("X-Custom", "canary-header")
                .body("{\"first_name\":\"canary-body\"")
                .send()
                .await
                .unwrap();
            // The simulated Onfido returns the request in its responses; only the gateway's own responses are checked.
            texts.push(format!("{:?}", answer.headers()));
            if answer.headers().get("cache-control").is_some() {
                texts.push(answer.text().await.unwrap());
            }
        }
    }

    // Notifications: delivered, ignored, forged, malformed; portals failing in every way.
    for mode in [
        Mode::Ok,
        Mode::Refuse401Once,
        Mode::ExpiredEnvelopeOnce,
        Mode::Refuse401Always,
        Mode::IsSuccessFalse,
        Mode::Status(500),
        Mode::LoginDown,
        Mode::TooManyRequests { retry_after: 1 },
    ] {
        world.acme.set_mode(mode.clone());
        world.globex.set_mode(mode);
        for name in ["acme", "globex"] {
            texts.push(world.notify(name, EVENT).await.text().await.unwrap());
            texts.push(world.notify(name, "{\"canary-body\"").await.text().await.unwrap());
            texts.push(
                world
                    .post(name, EVENT.as_bytes(), &sign("wrong", EVENT.as_bytes()))
                    .await
                    .text()
                    .await
                    .unwrap(),
            );
            world.acme.expire_now();
            world.globex.expire_now();
        }
    }

    // A webhook with secrets in every field, and with faults.
    world.onfido.put_webhook(
        "acme",
        Webhook {
            id: "hook-acme".to_owned(),
            name: None,
            url: "https://user:canary-header@evil.test/canary-path?canary-query".to_owned(),
            token: "canary-body".to_owned(),
            enabled: false,
            events: vec!["canary-body".to_owned()],
            environments: vec!["canary-body".to_owned()],
        },
    );
    soon(async || world.gateway.metrics().await.contains("webhook_token_differs").then_some(())).await;

    // A document with one bad entry, one duplicate and a broken one.
    let bad =
        with(crate::support::gateway::tenant("acme", "no url password-acme"), "ftosAuth", "password-acme");
    let twice = [("globex", "http://127.0.0.1:9"), ("globex", "http://127.0.0.1:9")]
        .map(|(name, portal)| crate::support::gateway::tenant(name, portal));
    world.gateway.write_tenants(world.onfido.address(), &[bad, twice[0].clone(), twice[1].clone()]);
    for _ in 0..500 {
        if world.gateway.metrics().await.contains("kyc_gateway_tenants_refused 3") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    texts.push(changes(&world).await);
    texts.push(std::fs::read_to_string(world.gateway.folder().join("data/audit.jsonl")).unwrap());
    for page in ["/metrics", "/livez", "/readyz", "/", "/admin/tenants", "/admin/tenants/doctor", "/audit"] {
        texts.push(client.get(world.gateway.admin(page)).send().await.unwrap().text().await.unwrap());
    }
    assert!(world.gateway.metrics().await.contains("kyc_gateway_tenants_refused 3"));
    texts.push(world.gateway.stop().await);

    let everything = texts.join("\n");
    let found: Vec<_> =
        SECRETS.iter().chain(&["canary-path"]).filter(|secret| everything.contains(**secret)).collect();
    assert!(everything.contains("kyc_gateway_requests_total"), "nothing was gathered");
    assert!(everything.contains("tenant has a finding") && everything.contains("\"webhook_moved\""));
    assert!(everything.contains("audit record stored") && everything.contains("a canary was here"));
    assert_eq!(found, Vec::<&&str>::new(), "{}", excerpt(&everything, &found));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_in_the_event_store_or_its_admin_pages() {
    let world = World::start(&format!("[log]\nlevel = \"trace\"\n{}", stored())).await;
    let body = |number: usize| event(number).replace("\"n\":1.0", "\"n\":\"canary-body\"");
    let modes = [
        Mode::Refuse401Once,
        Mode::IsSuccessFalse,
        Mode::LoginDown,
        Mode::Status(422),
        Mode::TooManyRequests { retry_after: 0 },
    ];
    let mut texts = Vec::new();

    for (number, mode) in modes.into_iter().enumerate() {
        world.acme.expire_now();
        let calls = world.acme.calls().len();
        world.acme.set_mode(mode);
        texts.push(world.notify("acme", &body(number)).await.text().await.unwrap());
        texts.push(world.notify("acme", "{\"canary-body\":1}").await.text().await.unwrap());
        world.acme.calls().wait_for_count(calls + 2).await.unwrap();
        world.acme.set_mode(Mode::Ok);
        wait_for_all(&world.acme, &BTreeSet::from([body(number)])).await;
    }
    let list = reqwest::get(world.gateway.admin("/events")).await.unwrap().text().await.unwrap();
    let found: serde_json::Value = serde_json::from_str(&list).unwrap();
    for event in found["events"].as_array().unwrap() {
        let page = world.gateway.admin(&format!("/events/{}", event["uid"].as_str().unwrap()));
        texts.push(reqwest::get(page).await.unwrap().text().await.unwrap());
    }
    texts.push(list);
    for page in ["/checks", "/checks/gaps"] {
        texts.push(reqwest::get(world.gateway.admin(page)).await.unwrap().text().await.unwrap());
    }
    texts.push(changes(&world).await);
    texts.push(world.gateway.metrics().await);
    for file in std::fs::read_dir(world.gateway.folder().join("store")).unwrap() {
        texts.push(String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned());
    }
    texts.push(world.gateway.stop().await);

    let everything = texts.join("\n");
    let found: Vec<_> =
        SECRETS.iter().chain(&["portal-says"]).filter(|secret| everything.contains(**secret)).collect();
    assert!(everything.contains("report.completed") && everything.contains("event delivered"));
    assert!(everything.contains("a canary was here"));
    assert_eq!(found, Vec::<&&str>::new(), "{}", excerpt(&everything, &found));
}

/// Changes that are made, fail and are refused, with secrets in all that is not recorded; and what the records say.
async fn changes(world: &World) -> String {
    let client = reqwest::Client::new();
    let mut answers = Vec::new();
    for (path, intent) in [
        ("/admin/reload", true),
        ("/admin/tenants/doctor?tenant=acme", true),
        ("/events/replay?tenat=x", true),
        ("/admin/reload", false),
    ] {
        let request = client
            .post(world.gateway.admin(path))
            .header("x-admin-reason", "a canary was here")
            .header("authorization", "Bearer canary-header")
            .header("cookie", "session=canary-header")
            .body("canary-body");
        let request = if intent { request.header("x-admin-intent", "canary-header") } else { request };
        answers.push(request.send().await.unwrap().text().await.unwrap());
    }
    let records = reqwest::get(world.gateway.admin("/audit")).await.unwrap();
    format!("{}{}", answers.concat(), records.text().await.unwrap())
}

fn excerpt(text: &str, found: &[&&str]) -> String {
    let lines = text.lines().filter(|line| found.iter().any(|secret| line.contains(**secret)));
    lines.take(5).map(|line| line.chars().take(400).collect::<String>()).collect::<Vec<_>>().join("\n")
}
