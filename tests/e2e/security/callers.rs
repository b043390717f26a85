//! A caller can act only for tenants that list it in `callers`.

mod issuers;

use std::collections::BTreeMap;

use kyc_harness::certificates::Authority;
use reqwest::{Client, Identity, Response};
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Setup, binary, start, tenant};
use crate::support::soon;
use crate::support::upstream::Echo;

const NOWHERE: &str = "http://127.0.0.1:9/portal";

/// A configuration of a listener that requests certificates, and a route with these settings and those of its two plugins.
fn config(authority: &Authority, route: &str, guard: &str, subscription: &str) -> String {
    let clients = format!(", client_ca_file = \"{}/authority.pem\"", authority.folder().display());
    format!(
        "[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}\
         [[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{{*path}}\"]\n{route}\n\
         [[routes.plugins]]\nplugin = \"caller-auth\"\n{guard}\n\
         [[routes.plugins]]\nplugin = \"subscription\"\n{subscription}\n[[routes.plugins]]\nplugin = \"onfido\"\n",
        authority.listener_tls_with(&clients)
    )
}

fn bound(name: &str, callers: &[&str]) -> Value {
    let mut entry = tenant(name, NOWHERE);
    entry["callers"] = json!(json!(callers).to_string());
    entry
}

fn client(authority: &Authority, gateway: &Gateway, identity: Identity) -> Client {
    Client::builder()
        .tls_certs_only([authority.certificate()])
        .pool_max_idle_per_host(0)
        .resolve("gateway.test", gateway.address())
        .identity(identity)
        .build()
        .unwrap()
}

async fn call(client: &Client, gateway: &Gateway, subscription: &str) -> Response {
    let url = format!("https://gateway.test:{}/dcs/kyc2/applicants", gateway.address().port());
    client.get(url).header("SubscriptionId", subscription).send().await.unwrap()
}

/// Everything in a response except the request id.
async fn whole(answer: Response) -> (u16, BTreeMap<String, String>, String) {
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let fields =
        answer.headers().iter().filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
    let fields = fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status().as_u16(), fields, answer.text().await.unwrap().replace(&id, "ID"))
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_another_tenants_caller_is_answered_like_an_unknown_tenant() {
    let onfido = Echo::start().await;
    let authority = Authority::new();
    let tenants = vec![
        bound("acme", &["cert-subject:O=FintechOS, CN=acme-processor", "dns:acme.example"]),
        bound("globex", &["cert-subject:O=FintechOS, CN=globex-processor"]),
    ];
    let config = config(&authority, "", "certificates = [\"*\"]", "");
    let gateway = start(Setup::default().onfido(onfido.address).tenants(tenants).config(&config)).await;
    let acme = client(&authority, &gateway, authority.caller("acme-processor", "a.example", 2999));
    let other = client(&authority, &gateway, authority.caller("spare", "acme.example", 2999));

    let theirs = whole(call(&acme, &gateway, "sub-globex").await).await;
    let unknown = whole(call(&acme, &gateway, "sub-nobody").await).await;
    let folded = whole(call(&other, &gateway, "sub-globex").await).await;
    let seen = onfido.requests();
    let own = call(&acme, &gateway, "sub-acme").await;
    let by_name = call(&other, &gateway, "sub-acme").await;

    assert_eq!((&theirs, seen), (&unknown, 0), "the upstream sees nothing of it");
    assert_eq!((theirs.0, &folded), (401, &unknown));
    assert_eq!((own.status().as_u16(), by_name.status().as_u16()), (200, 200));
    assert!(own.text().await.unwrap().contains("Token token=token-acme"));
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("kyc_gateway_callers_refused_total{reason=\"tenant\",route=\"onfido\"} 2"),
        "{metrics}"
    );
    let log = gateway.stop().await;
    let access: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["target"] == "access")
        .collect();
    let refused = access.iter().find(|line| line["status"] == 401).unwrap();
    assert_eq!(refused["caller"], "cert-subject:O=FintechOS, CN=acme-processor", "{refused}");
    assert_eq!((&refused["listener"], &refused["tenant"]), (&json!("main"), &json!("")));
    assert!(refused["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_from_a_certificate_overrides_the_header() {
    let onfido = Echo::start().await;
    let authority = Authority::new();
    let config = config(&authority, "", "certificates = [\"*\"]", "tenant_from = \"certificate:cn\"");
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let acme = client(&authority, &gateway, authority.caller("acme", "a.example", 2999));
    let nobody = client(&authority, &gateway, authority.caller("nobody", "acme", 2999));

    let answer = call(&acme, &gateway, "sub-globex").await.text().await.unwrap();
    let refused = call(&nobody, &gateway, "sub-globex").await.status().as_u16();

    assert!(answer.contains("Token token=token-acme") && !answer.contains("sub-globex"), "{answer}");
    assert_eq!((refused, onfido.requests()), (401, 1));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_that_lost_its_callers_is_refused_at_run_time() {
    let onfido = Echo::start().await;
    let authority = Authority::new();
    let own = |name: &str| bound(name, &["dns:a.example"]);
    let guard = "certificates = [\"*\"]";
    let setup = Setup::default().onfido(onfido.address).tenants(vec![own("acme"), own("globex")]);
    let gateway = start(setup.config(&config(&authority, "", guard, ""))).await;
    let caller = client(&authority, &gateway, authority.caller("processor", "a.example", 2999));
    let before = call(&caller, &gateway, "sub-globex").await.status().as_u16();

    gateway.write_tenants(onfido.address, &[own("acme"), tenant("globex", NOWHERE)]);
    soon(async || (call(&caller, &gateway, "sub-globex").await.status() == 401).then_some(())).await;
    let acme = call(&caller, &gateway, "sub-acme").await.status().as_u16();

    assert_eq!((before, acme), (200, 200));
    let log = gateway.stop().await;
    assert!(log.contains("tenant has no callers; certificates and tokens are refused for it"), "{log}");
    let open = config(&authority, "any_tenant = true", guard, "");
    let open = start(Setup::default().onfido(onfido.address).config(&open)).await;
    let caller = client(&authority, &open, authority.caller("processor", "a.example", 2999));
    assert_eq!(call(&caller, &open, "sub-globex").await.status(), 200);
    open.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_secret_is_rotated_without_a_restart_or_a_refused_call() {
    let onfido = Echo::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = ("canary-first-secret", "canary-second-secret");
    let write = |file: &str, secret: &str| {
        let draft = folder.path().join("draft");
        std::fs::write(&draft, secret).unwrap();
        std::fs::rename(draft, folder.path().join(file)).unwrap();
    };
    write("old", first);
    write("new", second);
    let place = folder.path().display();
    let route = format!(
        "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{{*path}}\"]\n[[routes.plugins]]\nplugin = \"caller-auth\"\n\
         secret_poll = \"20ms\"\nsecrets = [{{ name = \"apim\", file = \"{place}/old\" }}, {{ name = \"apim\", file = \"{place}/new\" }}]\n\
         [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n"
    );
    let tenants = vec![bound("acme", &["secret:apim"]), bound("globex", &["secret:other"])];
    let gateway = start(Setup::default().onfido(onfido.address).tenants(tenants).config(&route)).await;
    let call = async |secret: &str, subscription: &str| {
        let request = Client::new().get(gateway.url("/dcs/kyc2/applicants"));
        let request = request.header("SubscriptionId", subscription).header("X-Gateway-Secret", secret);
        request.send().await.unwrap().status().as_u16()
    };

    let overlap = [call(first, "sub-acme").await, call(second, "sub-acme").await];
    write("old", second);
    soon(async || (call(first, "sub-acme").await == 401).then_some(())).await;
    let after = [call(second, "sub-acme").await, call(second, "sub-globex").await];
    write("old", "too short");
    soon(async || gateway.log().contains("the previous one stays valid").then_some(())).await;

    let metric = |value: u8| {
        format!("kyc_gateway_caller_secrets_unusable{{route=\"onfido\",secret=\"apim\"}} {value}")
    };
    let unusable = gateway.metrics().await.contains(&metric(1));
    let ready = reqwest::get(gateway.admin("/readyz")).await.unwrap();
    let ready = (ready.status().as_u16(), ready.text().await.unwrap());
    write("old", second);
    soon(async || gateway.metrics().await.contains(&metric(0)).then_some(())).await;

    assert_eq!((overlap, after), ([200, 200], [200, 401]));
    assert!(unusable && ready.0 == 200, "{ready:?}");
    assert_eq!(ready.1, "ok\nroute onfido: secrets[0] cannot be used; the previous secret stays valid\n");
    assert_eq!(call(second, "sub-acme").await, 200);
    let log = gateway.stop().await;
    assert!(log.contains("\"caller\":\"secret:apim\"") && !log.contains("canary-"), "{log}");
}

/// One tenant without `callers` in the document prevented a restart of the gateway and a backup of its store, although the running
/// gateway only refused that tenant.
#[tokio::test(flavor = "multi_thread")]
async fn tenant_without_callers_does_not_stop_the_start() {
    let onfido = Echo::start().await;
    let authority = Authority::new();
    let tenants = vec![bound("acme", &["dns:acme.example"]), tenant("globex", NOWHERE)];
    let config = config(&authority, "", "certificates = [\"*\"]", "");
    let gateway = start(Setup::default().onfido(onfido.address).tenants(tenants).config(&config)).await;
    let acme = client(&authority, &gateway, authority.caller("acme-processor", "acme.example", 2999));

    let own = call(&acme, &gateway, "sub-acme").await.status();
    let unbound = call(&acme, &gateway, "sub-globex").await.status();
    let file = gateway.folder().join("gateway.toml");
    let checked = std::process::Command::new(binary("kyc-gateway"))
        .args(["check", "--config", file.to_str().unwrap()])
        .output()
        .unwrap();
    let log = gateway.stop().await;

    assert_eq!((own.as_u16(), unbound.as_u16()), (200, 401));
    assert!(!checked.status.success());
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("`callers` is not set for tenant globex"), "{said}");
    assert!(log.contains("`callers` is not set for tenant globex"), "{log}");
}

/// After a processor's key was stolen and its certificate revoked, the gateway still accepted the certificate.
#[tokio::test(flavor = "multi_thread")]
async fn revoked_certificate_is_refused_when_the_list_is_reloaded() {
    let onfido = Echo::start().await;
    let authority = Authority::new();
    authority.revoke(&["somebody"]);
    let folder = authority.folder().display();
    let listener = format!(
        "[server]\ncertificate_poll = \"10ms\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}\
         [[routes]]\nname = \"onfido\"\nany_tenant = true\npaths = [\"/dcs/kyc2/{{*path}}\"]\n\
         [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n",
        authority.listener_tls_with(&format!(
            ", client_ca_file = \"{folder}/authority.pem\", client_crl_files = [\"{folder}/revoked.pem\"]"
        ))
    );
    let gateway = start(Setup::default().onfido(onfido.address).config(&listener)).await;
    let [stolen, other] = ["stolen", "other"].map(|name| authority.caller(name, "a.example", 2999));
    let url = format!("https://gateway.test:{}/dcs/kyc2/ping", gateway.address().port());
    // New connections: a certificate is checked only in the handshake.
    let asks = async |identity: &Identity| {
        let client = client(&authority, &gateway, identity.clone());
        let answer = client.get(&url).header("SubscriptionId", "sub-acme").send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    };

    assert!(asks(&stolen).await && asks(&other).await);
    authority.revoke(&["somebody", "stolen"]);
    soon(async || (!asks(&stolen).await).then_some(())).await;
    assert!(asks(&other).await);
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("kyc_gateway_listener_client_ca_expires_timestamp_seconds{listener=\"main\"} "),
        "{metrics}"
    );
    assert!(
        metrics
            .contains("kyc_gateway_listener_revocation_lists_expire_timestamp_seconds{listener=\"main\"} 32"),
        "{metrics}"
    );
    gateway.stop().await;
}
