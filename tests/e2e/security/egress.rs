//! Calls that the gateway itself makes, most of them with a credential: to Vault, an identity provider, Onfido, a portal and
//! collectors. Neither a response nor an environment variable may send a credential to another host.
//!
//! The client for Vault followed redirects with the token, and used the proxy in `http_proxy`.

use std::process::Command;
use std::time::Duration;

use httpmock::MockServer;
use kyc_harness::collectors::Collector;
use kyc_sandbox::onfido::{self, Onfido};
use kyc_sandbox::portal::{Account, Portal, Settings};
use kyc_sandbox::signature::sign;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Setup, binary, document, start, tenant};
use crate::support::soon;
use crate::support::wayward::{Fault, Trap, Wayward};
use crate::support::world::{DIRECT, EVENT};

/// A setting with which the gateway is ready without the keys of a provider.
const ANYBODY: &str = "require = \"any\"\nallow = [\"127.0.0.0/8\"]";

/// A configuration that uses every client: `onfido` for callers with tokens of `issuer` and the settings in `more`, `webhook` for
/// notifications.
fn routes(issuer: &str, more: &str) -> String {
    format!(
        r#"
[[routes]]
name = "webhook"
paths = ["/dcs/kyc2/webhook/notify/{{configurationName}}"]
[[routes.plugins]]
plugin = "webhook"
{DIRECT}
[[routes]]
name = "onfido"
any_tenant = true
paths = ["/dcs/kyc2/{{*path}}"]
[[routes.plugins]]
plugin = "caller-auth"
{more}
token = {{ issuer = "{issuer}", audience = ["a"] }}
[[routes.plugins]]
plugin = "subscription"
[[routes.plugins]]
plugin = "onfido"
"#
    )
}

async fn notify(gateway: &Gateway, name: &str, token: &str) -> u16 {
    let notification = reqwest::Client::new()
        .post(gateway.url(&format!("/dcs/kyc2/webhook/notify/{name}")))
        .header("Content-Type", "application/json")
        .header("X-SHA2-Signature", sign(token, EVENT.as_bytes()))
        .body(EVENT);
    notification.send().await.unwrap().status().as_u16()
}

/// Lists the tenants by the command line. Returns the exit code and the output.
async fn command(admin: String, environment: Vec<(&'static str, String)>) -> (Option<i32>, String) {
    let run = move || {
        let mut command = Command::new(binary("kyc-gateway"));
        command.args(["tenants", "list", "--admin", &admin]).envs(environment).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// A simulated Vault with Azure's identity service, which serves one document.
async fn vault(document: &Value) -> MockServer {
    let vault = MockServer::start_async().await;
    let answer = |data: Value, auth: Value| {
        json!({
            "request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data,
            "wrap_info": null, "warnings": null, "auth": auth,
        })
    };
    let granted = json!({
        "client_token": "t", "accessor": "a", "policies": [], "token_policies": [], "metadata": {},
        "lease_duration": 3600, "renewable": true, "entity_id": "e", "token_type": "service", "orphan": true,
        "mfa_requirement": null, "num_uses": 0,
    });
    let version = json!({ "created_time": "2026-11-24T09:34:44Z", "deletion_time": "", "version": 3 });
    let read = answer(json!({ "data": document, "metadata": version }), Value::Null);
    let rows = [
        ("/metadata/identity/oauth2/token", json!({ "access_token": "identity" })),
        ("/v1/auth/azure/login", answer(Value::Null, granted)),
        ("/v1/kv/data/dcs/kyc-onfido", read),
    ];
    for (path, body) in rows {
        vault
            .mock_async(|when, then| {
                when.path(path);
                then.status(200).json_body(body);
            })
            .await;
    }
    vault
}

/// The URL without TLS, which the mock also supports.
fn plain(server: &MockServer) -> String {
    format!("http://{}", server.address())
}

async fn provider() -> MockServer {
    let provider = MockServer::start_async().await;
    let issuer = plain(&provider);
    let keys = format!("{issuer}/keys");
    provider
        .mock_async(|when, then| {
            when.path("/.well-known/openid-configuration");
            then.status(200).json_body(json!({ "issuer": issuer, "jwks_uri": keys }));
        })
        .await;
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "one", "use": "sig",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    provider
        .mock_async(|when, then| {
            when.path("/keys");
            then.status(200).json_body(json!({ "keys": [key] }));
        })
        .await;
    provider
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_variables_of_the_environment_are_ignored() {
    let (proxy, collector, provider) = (Trap::start().await, Collector::start().await, provider().await);
    let onfido = Onfido::start(onfido::Settings::default()).await.unwrap();
    onfido.add_account("acme", "token-acme");
    let webhook = onfido.add_webhook("acme", "http://127.0.0.1:9/").unwrap();
    let account = Account {
        tenant: "acme".to_owned(),
        username: "user-acme".to_owned(),
        password: "password-acme".to_owned(),
        client_id: Some("client-acme".to_owned()),
    };
    let portal = Portal::start(Settings::new(vec![account])).await.unwrap();
    let mut acme = tenant("acme", &portal.url());
    acme.as_object_mut().unwrap().remove("webhookToken");
    acme["webhookId"] = json!(webhook.id);
    let mut text = document(&onfido.base_url(), &[acme]);
    text["serilog-seq-logging"] = json!("true");
    text["serilog-seq-serverUrl"] = json!(collector.url());
    let vault = vault(&text).await;
    let source = format!(
        "[tenants]\nsource = \"vault\"\n[tenants.vault]\naddress = \"{0}\"\nversion = \"2\"\nauth = \"azure\"\n\
         role = \"kyc\"\nazure_endpoint = \"{0}\"\n",
        plain(&vault)
    );
    let proxied: Vec<(&str, String)> =
        ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
            .map(|name| (name, format!("http://{}", proxy.address)))
            .into_iter()
            .chain(["no_proxy", "NO_PROXY"].map(|name| (name, String::new())))
            .collect();
    let setup = Setup::default().source(&source).config(&routes(&plain(&provider), ""));
    let setup = proxied.iter().fold(setup, |setup, (name, value)| setup.environment(name, value));
    let setup = setup
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .environment("OTEL_BSP_SCHEDULE_DELAY", "100");

    // The gateway is ready after it has read the tenants and the keys.
    let gateway = start(setup).await;
    let answer = notify(&gateway, "acme", &webhook.token).await;
    let (code, listed) = command(gateway.admin(""), proxied).await;
    soon(async || (!collector.events().is_empty() && !collector.spans().is_empty()).then_some(())).await;

    assert_eq!((answer, onfido.requests().len(), portal.logins()), (200, 1, 1));
    assert!(code == Some(0) && listed.contains("acme"), "{listed}");
    assert_eq!(proxy.connections(), 0);
    gateway.stop().await;
}

/// A gateway whose peers are all hostile, and which has called each of them.
async fn call_all(wayward: &Wayward) -> (Gateway, String) {
    let url = |name: &str| format!("http://{}/{name}", wayward.address);
    let mut acme = tenant("acme", &url("portal"));
    acme.as_object_mut().unwrap().remove("webhookToken");
    let globex = tenant("globex", &url("portal"));
    let setup = Setup::default()
        .onfido_base(&url("onfido"))
        .tenants(vec![acme.clone(), globex.clone()])
        .config(&routes(&url("provider"), ANYBODY))
        .environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url("traces"))
        .environment("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &url("logs"))
        .environment("OTEL_BSP_SCHEDULE_DELAY", "100");
    let gateway = start(setup).await;
    let mut text = document(&url("onfido"), &[acme, globex]);
    text["serilog-seq-logging"] = json!("true");
    text["serilog-seq-serverUrl"] = json!(url("seq"));
    std::fs::write(gateway.folder().join("tenants.json"), text.to_string()).unwrap();

    assert_eq!(notify(&gateway, "acme", "any").await, 503, "no signing token");
    assert_eq!(notify(&gateway, "globex", "sign-globex").await, 502, "no login");
    let (code, said) = command(url("admin"), Vec::new()).await;
    assert_eq!(code, Some(3), "{said}");
    let all = ["admin", "logs", "onfido", "portal", "provider", "seq", "traces"];
    soon(async || wayward.answered().keys().map(String::as_str).eq(all).then_some(())).await;
    (gateway, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_never_forward_a_credential() {
    let trap = Trap::start().await;
    let wayward = Wayward::start(Fault::Redirect(trap.address)).await;

    let (gateway, said) = call_all(&wayward).await;
    // Long enough for a client that follows redirects.
    tokio::time::sleep(Duration::from_millis(300)).await;

    assert_eq!(trap.connections(), 0);
    assert!(said.contains("307"), "{said}");
    let log = gateway.stop().await;
    assert!(log.contains("redirects are not followed"), "the provider's redirect is named: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_responses_are_not_read_completely() {
    const MIB: usize = 1024 * 1024;
    let wayward = Wayward::start(Fault::Endless).await;

    let (gateway, said) = call_all(&wayward).await;

    let mut answered = wayward.answered();
    let command = answered.remove("admin").unwrap();
    // The buffers of the system on both sides hold some MiB more than was read.
    assert!(answered.values().all(|bytes| *bytes < 24 * MIB), "{answered:?}");
    assert!(command < 300 * MIB && said.contains("the response is larger than "), "{command} {said}");
    assert!(gateway.peak_memory() < 300 * 1024, "{} KiB", gateway.peak_memory());
    gateway.stop().await;
}
