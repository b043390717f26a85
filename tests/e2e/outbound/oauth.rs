//! Tenants with an OAuth client: the exchange, refreshes under load, refused tokens, changes of the document.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use kyc_sandbox::signature::sign;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Setup, binary, start, tenant, tools};
use crate::support::oauth::{OAuthOnfido, Odd, oauth_tenant};
use crate::support::soon;
use crate::support::world::{DIRECT, EVENT, routes};

/// Makes one call as a tenant. Returns the status and the credential that Onfido received.
async fn call(client: &reqwest::Client, gateway: &str, name: &str) -> (u16, String) {
    let request =
        client.get(format!("{gateway}/dcs/kyc2/applicants")).header("SubscriptionId", format!("sub-{name}"));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    (status, body["credential"].as_str().or(body["error"]["type"].as_str()).unwrap_or_default().to_owned())
}

async fn gateway(onfido: &OAuthOnfido, tenants: Vec<Value>) -> Gateway {
    start(Setup::default().onfido(onfido.address).tenants(tenants).config(&routes(DIRECT))).await
}

/// Everything that a token endpoint may answer in place of a token; `None` is a token.
const ODD: [Option<Odd>; 18] = [
    None,
    Some(Odd::Empty),
    None,
    Some(Odd::Status(503)),
    None,
    Some(Odd::Status(502)),
    Some(Odd::Status(503)),
    None,
    Some(Odd::Limited),
    None,
    Some(Odd::Malformed),
    None,
    Some(Odd::NoLife),
    None,
    Some(Odd::Slow(Duration::from_secs(1))),
    Some(Odd::Status(307)),
    None,
    None,
];

/// Envoy sent expired tokens while the provider was away (envoyproxy/envoy#44674), and never asked again after an empty 200
/// (#42009). With `OAUTH_LIFE=5` the tokens live as long as in the field, and the test takes minutes.
#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_rotate_100_times_under_load_without_a_failed_call() {
    const TENANTS: usize = 10;
    const ROTATIONS: usize = 100;
    let life = std::env::var("OAUTH_LIFE").map_or(2.0, |seconds| seconds.parse().unwrap());
    let onfido = OAuthOnfido::start(Duration::from_secs_f64(life)).await;
    let names: Vec<String> = (0..TENANTS).map(|number| format!("t{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        // Each tenant begins at another answer.
        let mut script = VecDeque::from(ODD);
        script.rotate_left(number);
        onfido.book().script.insert(format!("id-{name}"), script);
    }
    let tenants = names.iter().map(|name| oauth_tenant(name, &format!("secret-{name}"))).collect();
    let gateway = gateway(&onfido, tenants).await;

    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = names
        .iter()
        .flat_map(|name| [name, name])
        .map(|name| {
            let (url, stop, name) = (gateway.url(""), Arc::clone(&stop), name.clone());
            tokio::spawn(async move {
                let (client, mut calls, mut wrong) = (reqwest::Client::new(), 0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let (status, credential) = call(&client, &url, &name).await;
                    calls += 1;
                    if status != 200 || !credential.starts_with(&format!("Bearer access-id-{name}-")) {
                        wrong.push((name.clone(), status, credential));
                    }
                    // Several calls for each token, and time for the other programs of the test.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                (calls, wrong)
            })
        })
        .collect();
    soon(async || (onfido.book().issued.len() >= ROTATIONS + TENANTS).then_some(())).await;
    stop.store(true, Ordering::Relaxed);
    let (mut calls, mut wrong) = (0, Vec::new());
    for caller in load {
        let (made, failed) = caller.await.unwrap();
        calls += made;
        wrong.extend(failed);
    }

    assert_eq!(wrong, []);
    let (issued, exchanges, expired) = onfido.counts();
    assert_eq!(expired, 0);
    let odd = exchanges - issued;
    assert!(odd >= TENANTS * 4, "{odd} exchanges of {exchanges} failed, too few for a test");
    assert!(calls > 10 * issued, "{calls} calls with {issued} tokens");
    println!("{issued} tokens under {calls} calls, {odd} exchanges without a token");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_is_that_of_the_official_python_client() {
    let onfido = OAuthOnfido::start(Duration::from_secs(600)).await;
    let secret = "a b+c&d=e/f*é%~";
    let script = "import onfido, sys\n\
        onfido.Configuration(host=sys.argv[1], oauth_client_id='id-acme', oauth_client_secret=sys.argv[2]).auth_settings()";
    let base = format!("http://{}/v3.6", onfido.address);
    let mut python = Command::new(tools().join("python/bin/python"));
    python.args(["-c", script, &base, secret]);
    let status = tokio::task::spawn_blocking(move || python.status().unwrap()).await.unwrap();
    let gateway = gateway(&onfido, vec![oauth_tenant("acme", secret)]).await;

    let (answered, credential) = call(&reqwest::Client::new(), &gateway.url(""), "acme").await;

    assert!(status.success());
    assert_eq!((answered, credential.as_str()), (200, "Bearer access-id-acme-2"));
    let exchanges = onfido.book().exchanges.clone();
    assert_eq!(exchanges.len(), 2);
    assert_eq!(exchanges[0], exchanges[1]);
    assert_eq!(exchanges[0].line, "POST /v3.6/oauth/token");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_client_is_503_without_a_call_and_is_shown_to_operators() {
    let onfido = OAuthOnfido::start(Duration::from_secs(600)).await;
    onfido.book().script.insert("id-acme".to_owned(), VecDeque::from(vec![Some(Odd::Status(401)); 50]));
    let tenants = vec![oauth_tenant("acme", "secret-acme"), oauth_tenant("globex", "secret-globex")];
    let gateway = gateway(&onfido, tenants).await;
    let client = reqwest::Client::new();

    let url = gateway.url("");
    let answers = join_all((0..20).map(|_| call(&client, &url, "acme"))).await;
    let other = call(&client, &url, "globex").await;
    let blocked = client
        .post(gateway.url("/dcs/kyc2/oauth/token"))
        .header("SubscriptionId", "sub-globex")
        .send()
        .await
        .unwrap();

    assert!(answers.iter().all(|answer| *answer == (503, "unavailable".to_owned())), "{answers:?}");
    assert_eq!(other, (200, "Bearer access-id-globex-2".to_owned()));
    assert_eq!(blocked.status(), 403);
    assert_eq!(onfido.book().exchanges.len(), 2);
    assert_eq!(onfido.book().calls.len(), 1);
    let metrics = gateway.metrics().await;
    for line in [
        "kyc_gateway_access_token_fetches_total{result=\"refused\",tenant=\"acme\"} 1",
        "kyc_gateway_access_token_fetches_total{result=\"ok\",tenant=\"globex\"} 1",
        "kyc_gateway_access_token_expires_timestamp_seconds{tenant=\"globex\"} ",
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
    assert!(!metrics.contains("kyc_gateway_access_token_expires_timestamp_seconds{tenant=\"acme\"}"));
    let mut list = Command::new(binary("kyc-gateway"));
    list.args(["tenants", "list", "--admin", &gateway.admin("")]);
    let list = String::from_utf8(list.output().unwrap().stdout).unwrap();
    assert!(list.contains("OAuth client") && !list.contains("secret-acme"), "{list}");
    let log = gateway.stop().await;
    assert!(log.contains("cannot fetch an access token"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_token_is_replaced_and_cannot_cause_a_storm() {
    let onfido = OAuthOnfido::start(Duration::from_secs(600)).await;
    let gateway = gateway(&onfido, vec![oauth_tenant("acme", "secret-acme")]).await;
    let (client, url) = (reqwest::Client::new(), gateway.url(""));
    let first = call(&client, &url, "acme").await;

    onfido.revoke();
    let revoked = call(&client, &url, "acme").await;
    let second = call(&client, &url, "acme").await;
    onfido.book().refuses_calls = true;
    let mut denied = 0;
    for _ in 0..100 {
        denied += usize::from(call(&client, &url, "acme").await.0 == 401);
    }
    onfido.book().refuses_calls = false;
    let third = call(&client, &url, "acme").await;

    assert_eq!(first, (200, "Bearer access-id-acme-1".to_owned()));
    assert_eq!(revoked.0, 401);
    assert_eq!((second.clone(), third), ((200, "Bearer access-id-acme-2".to_owned()), second));
    assert_eq!((denied, onfido.book().exchanges.len()), (100, 2));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_tokens_are_fetched_with_the_token_of_forwarded_calls() {
    let onfido = OAuthOnfido::start(Duration::from_secs(600)).await;
    let mut entry = oauth_tenant("acme", "secret-acme");
    entry.as_object_mut().unwrap().remove("webhookToken");
    let gateway = gateway(&onfido, vec![entry]).await;
    let client = reqwest::Client::new();

    let call = call(&client, &gateway.url(""), "acme").await;
    let notification = client
        .post(gateway.url("/dcs/kyc2/webhook/notify/acme"))
        .header("Content-Type", "application/json")
        .header("X-SHA2-Signature", sign("signing", EVENT.as_bytes()))
        .body(EVENT)
        .send()
        .await
        .unwrap();

    // The signature is right, and the portal is not there.
    assert_eq!((call.0, notification.status().as_u16()), (200, 502));
    assert_eq!(onfido.book().exchanges.len(), 1);
    assert_eq!(onfido.book().calls, ["Bearer access-id-acme-1", "Bearer access-id-acme-1"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credential_of_a_tenant_changes_between_kinds_while_calls_run() {
    const CHANGES: usize = 12;
    let onfido = OAuthOnfido::start(Duration::from_secs(600)).await;
    let entry = |generation: usize| match generation % 3 {
        0 => {
            let mut entry = tenant("acme", "http://127.0.0.1:9/portal");
            entry["apiToken"] = json!(format!("api-{generation}"));
            entry
        }
        _ => oauth_tenant("acme", &format!("secret-{generation}")),
    };
    let gateway = gateway(&onfido, vec![entry(0)]).await;
    let book = onfido.clone();
    // The generation of the document that a credential belongs to.
    let generation = move |credential: &str| -> usize {
        let text = match credential.strip_prefix("Token token=api-") {
            Some(text) => text.to_owned(),
            None => {
                let token = credential.strip_prefix("Bearer ").unwrap();
                book.book().issued[token].0.strip_prefix("secret-").unwrap().to_owned()
            }
        };
        text.parse().unwrap()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (url, stop, generation) = (gateway.url(""), Arc::clone(&stop), generation.clone());
            tokio::spawn(async move {
                let (client, mut seen) = (reqwest::Client::new(), Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let (status, credential) = call(&client, &url, "acme").await;
                    assert_eq!(status, 200, "{credential}");
                    seen.push(generation(&credential));
                }
                seen
            })
        })
        .collect();

    let client = reqwest::Client::new();
    for change in 1..=CHANGES {
        gateway.write_tenants(onfido.address, &[entry(change)]);
        soon(async || {
            let (status, credential) = call(&client, &gateway.url(""), "acme").await;
            (status == 200 && generation(&credential) == change).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);

    for caller in load {
        let seen = caller.await.unwrap();
        // A caller that has seen a new credential never gets an older one.
        assert!(seen.is_sorted(), "{seen:?}");
        assert!(seen.last() >= Some(&(CHANGES - 1)), "{seen:?}");
    }
    gateway.stop().await;
}
