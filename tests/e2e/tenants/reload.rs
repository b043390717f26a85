//! Tenants in a real Vault API server that change under load.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::operations::audit::records;
use crate::support::bao::OpenBao;
use crate::support::gateway::{Gateway, Setup, binary, document, start, tenant};
use crate::support::upstream::Echo;

const NOWHERE: &str = "http://127.0.0.1:9/portal";

fn vault(bao: &OpenBao, auth: &str) -> String {
    format!(
        "[tenants]\nsource = \"vault\"\npoll = \"200ms\"\n[tenants.vault]\naddress = \"{}\"\nmount = \"kv\"\n{auth}\n",
        bao.address
    )
}

/// Makes one call as a tenant. Returns the status and the credential that the upstream received.
async fn call(client: &reqwest::Client, gateway: &str, name: &str, number: usize) -> (u16, Option<String>) {
    let method = ["GET", "POST", "PUT", "DELETE"][number % 4];
    let path = ["applicants", "applicants/1", "checks", "reports?check_id=1"][number / 4 % 4];
    let request = client
        .request(method.parse().unwrap(), format!("{gateway}/dcs/kyc2/{path}"))
        .header("SubscriptionId", format!("sub-{name}"))
        .header("Authorization", "Token token=dummy");
    let request = if method == "POST" { request.body("{\"applicant_id\":\"1\"}") } else { request };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let seen = answer.text().await.unwrap();
    let credential = seen.lines().find_map(|line| {
        let (key, value) = line.split_once(": Token token=")?;
        key.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    (status, credential)
}

async fn from_vault(
    version: &str,
    auth: &str,
    environment: (&str, String),
    bao: &OpenBao,
    onfido: &Echo,
) -> Gateway {
    let tenants: Vec<Value> = ["acme", "globex"].map(|name| tenant(name, NOWHERE)).to_vec();
    bao.write(version, document(&format!("http://{}/v3.6", onfido.address), &tenants)).await;
    start(Setup::default().source(&vault(bao, auth)).environment(environment.0, &environment.1)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kv_versions_and_logins_work_and_the_version_is_detected() {
    for version in ["1", "2"] {
        let onfido = Echo::start().await;
        let bao = OpenBao::start().await;
        bao.mount_kv(version).await;
        let (role_id, secret_id) = bao.app_role("1h").await;
        let app_role = format!("auth = \"approle\"\nrole_id = \"{role_id}\"\nsecret_id_env = \"SECRET_ID\"");

        let by_token = from_vault(version, "", ("VAULT_TOKEN", bao.token().await), &bao, &onfido).await;
        let by_role = from_vault(version, &app_role, ("SECRET_ID", secret_id), &bao, &onfido).await;

        for gateway in [by_token, by_role] {
            let seen = call(&reqwest::Client::new(), &gateway.url(""), "globex", 0).await;
            assert_eq!(seen, (200, Some("token-globex".to_owned())), "KV {version}");
            gateway.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn none_of_100_000_calls_uses_another_tenants_token() {
    const TENANTS: usize = 1_000;
    const CALLS: usize = 100_000;
    const CALLERS: usize = 32;
    let onfido = Echo::start().await;
    let bao = OpenBao::start().await;
    bao.mount_kv("2").await;
    let tenants: Vec<Value> = (0..TENANTS).map(|n| tenant(&format!("t{n}"), NOWHERE)).collect();
    bao.write("2", document(&format!("http://{}/v3.6", onfido.address), &tenants)).await;
    let gateway =
        start(Setup::default().source(&vault(&bao, "")).environment("VAULT_TOKEN", &bao.token().await)).await;

    let url = Arc::new(gateway.url(""));
    let next = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (url, next) = (Arc::clone(&url), Arc::clone(&next));
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                let mut wrong = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= CALLS {
                        return wrong;
                    }
                    // A step that is coprime to the number of tenants visits all of them in a mixed order.
                    let name = format!("t{}", number * 7919 % TENANTS);
                    let seen = call(&client, &url, &name, number).await;
                    if seen != (200, Some(format!("token-{name}"))) {
                        wrong.push((name, seen));
                    }
                }
            })
        })
        .collect();
    let mut wrong = Vec::new();
    for caller in callers {
        wrong.extend(caller.await.unwrap());
    }

    assert_eq!(wrong, []);
    assert_eq!(onfido.requests(), CALLS);
    println!("{CALLS} calls of {TENANTS} tenants, none under a wrong token");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_rotate_under_load_without_a_failed_call() {
    const ROTATIONS: usize = 100;
    let onfido = Echo::start().await;
    let bao = OpenBao::start().await;
    bao.mount_kv("2").await;
    let names = ["acme", "globex", "initech"];
    let rotated = |round: usize| {
        let entries = names.map(|name| {
            let mut entry = tenant(name, NOWHERE);
            entry["apiToken"] = json!(format!("token-{name}-{round}"));
            entry
        });
        document(&format!("http://{}/v3.6", onfido.address), &entries)
    };
    bao.write("2", rotated(0)).await;
    let gateway =
        start(Setup::default().source(&vault(&bao, "")).environment("VAULT_TOKEN", &bao.token().await)).await;

    let url = Arc::new(gateway.url(""));
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = names
        .map(|name| {
            let (url, stop) = (Arc::clone(&url), Arc::clone(&stop));
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                let mut seen = HashMap::<bool, usize>::new();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let (status, credential) = call(&client, &url, name, number).await;
                    let own = credential.is_some_and(|token| token.starts_with(&format!("token-{name}-")));
                    *seen.entry(status == 200 && own).or_default() += 1;
                }
                seen
            })
        })
        .into_iter()
        .collect();

    let client = reqwest::Client::new();
    let mut slowest = Duration::ZERO;
    for round in 1..=ROTATIONS {
        bao.write("2", rotated(round)).await;
        let written = Instant::now();
        let wanted = Some(format!("token-acme-{round}"));
        while call(&client, &url, "acme", 0).await.1 != wanted {
            assert!(written.elapsed() < Duration::from_secs(10), "rotation {round} is not in use");
        }
        slowest = slowest.max(written.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for caller in load {
        let seen = caller.await.unwrap();
        assert_eq!(seen.get(&false), None, "calls failed or had a foreign token");
        calls += seen[&true];
    }

    // The poll is every 200 ms; within a second of it means at most 1.2 s after the change.
    assert!(slowest < Duration::from_millis(1200), "the slowest rotation took {slowest:?}");
    println!("{ROTATIONS} rotations under {calls} calls, slowest in use after {slowest:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_document_or_unreachable_vault_keeps_the_running_tenants() {
    let onfido = Echo::start().await;
    let bao = OpenBao::start().await;
    bao.mount_kv("2").await;
    let gateway = from_vault("2", "", ("VAULT_TOKEN", bao.token().await), &bao, &onfido).await;
    let client = reqwest::Client::new();

    bao.write("2", json!({ "Onfido-BaseUrl": "x", "Onfido-ApiTokens": "[{" })).await;
    wait_for_failed_poll(&gateway).await;
    let after_broken = call(&client, &gateway.url(""), "acme", 0).await;
    bao.call("DELETE", "kv/data/dcs/kyc-onfido", Value::Null).await;
    drop(bao);
    wait_for_failed_poll(&gateway).await;
    let after_lost = call(&client, &gateway.url(""), "acme", 0).await;

    let expected = (200, Some("token-acme".to_owned()));
    assert_eq!((after_broken, after_lost), (expected.clone(), expected));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tenants_the_gateway_is_not_ready_and_answers_503() {
    let setup = Setup::default()
        .source("[tenants]\nsource = \"vault\"\n[tenants.vault]\naddress = \"http://127.0.0.1:9\"\n");
    let gateway = setup.environment("VAULT_TOKEN", "t").spawn().await;

    let client = reqwest::Client::new();
    let ready = client.get(gateway.admin("/readyz")).send().await.unwrap().status().as_u16();
    let live = client.get(gateway.admin("/livez")).send().await.unwrap().status().as_u16();
    let call =
        client.get(gateway.url("/dcs/kyc2/x")).header("SubscriptionId", "sub-acme").send().await.unwrap();
    let notification = client.post(gateway.url("/dcs/kyc2/webhook/notify/acme")).send().await.unwrap();

    assert_eq!((ready, live, call.status().as_u16(), notification.status().as_u16()), (503, 200, 503, 503));
    assert!(call.headers().contains_key("retry-after"));
    gateway.stop().await;
}

/// Waits until one more read of the source has failed.
async fn wait_for_failed_poll(gateway: &Gateway) {
    let failed = |text: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("kyc_gateway_tenant_polls_total{result=\"failed\"} "));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let before = failed(&gateway.metrics().await);
    for _ in 0..1000 {
        if failed(&gateway.metrics().await) > before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no look at the source failed: {}", gateway.log());
}

/// The reload of a document with a mistake printed "the gateway looks at it" and exited with 0, so the operator did not notice
/// the mistake.
#[tokio::test(flavor = "multi_thread")]
async fn reload_reports_its_result_and_fails_if_a_tenant_is_refused() {
    let source = "[tenants]\nsource = \"file\"\npoll = \"1h\"\n";
    let gateway = start(Setup::default().source(source)).await;
    let reload = || {
        let mut command = Command::new(binary("kyc-gateway"));
        command.args(["tenants", "reload", "--reason", "test", "--admin", &gateway.admin("")]);
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    };
    let onfido = SocketAddr::from(([127, 0, 0, 1], 9));
    let nowhere = "http://127.0.0.1:9/portal";
    let same = reload();

    gateway.write_tenants(onfido, &[tenant("acme", "http://127.0.0.1:9/other"), tenant("initech", nowhere)]);
    let changed = reload();
    let mut bad = tenant("initech", nowhere);
    bad.as_object_mut().unwrap().remove("apiToken");
    gateway.write_tenants(onfido, &[tenant("acme", "http://127.0.0.1:9/other"), bad]);
    let refused = reload();
    std::fs::write(gateway.folder().join("tenants.json"), "{ canary").unwrap();
    let broken = reload();
    std::fs::remove_file(gateway.folder().join("tenants.json")).unwrap();
    let away = reload();

    assert!(same.0 == 0 && same.1.ends_with("2 tenants are served\nnothing changed\n"), "{same:?}");
    let expected =
        "was read: 2 tenants are served\nadded: initech\nchanged: acme (ftosEndpoint)\nremoved: globex\n";
    assert!(changed.0 == 0 && changed.1.ends_with(expected), "{changed:?}");
    let expected = "refused: tenant \"initech\" (entry 2): apiToken is missing\nkept unchanged: initech\n";
    assert!(refused.0 == 1 && refused.1.ends_with(expected), "{refused:?}");
    assert!(
        broken.0 == 1 && broken.1.contains("is not a JSON object") && !broken.1.contains("canary"),
        "{broken:?}"
    );
    assert!(away.0 == 1 && away.1.contains("No such file"), "{away:?}");
    let outcomes = records(&gateway, "?operation=tenants.reload").await;
    let outcomes: Vec<_> = outcomes.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "failed").count(), 2, "{outcomes:?}");
    gateway.stop().await;
}
