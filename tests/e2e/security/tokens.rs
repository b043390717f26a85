//! Callers with tokens of an identity provider: OpenBao, which is one (OpenID Connect, RS256).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bao::OpenBao;
use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{send, status};
use crate::support::upstream::Echo;

const AUDIENCE: &str = "kyc-gateway";

/// Lets `processor` have tokens for the gateway, and logs in as that.
async fn provider(bao: &OpenBao) -> String {
    bao.call("POST", "identity/oidc/key/kyc", json!({ "allowed_client_ids": ["*"], "algorithm": "RS256" }))
        .await;
    let template = r#"{"roles": ["Kyc.Call"], "azp": "processor"}"#;
    let role = json!({ "key": "kyc", "client_id": AUDIENCE, "ttl": "1h", "template": template });
    bao.call("POST", "identity/oidc/role/processor", role).await;
    let policy = r#"path "identity/oidc/token/processor" { capabilities = ["read"] }"#;
    bao.call("PUT", "sys/policies/acl/tokens", json!({ "policy": policy })).await;
    bao.call("POST", "sys/auth/userpass", json!({ "type": "userpass" })).await;
    let user = json!({ "password": "p", "token_policies": ["tokens"] });
    bao.call("POST", "auth/userpass/users/processor", user).await;
    let login = bao.call("POST", "auth/userpass/login/processor", json!({ "password": "p" })).await;
    login["auth"]["client_token"].as_str().unwrap().to_owned()
}

async fn token(bao: &OpenBao, login: &str) -> String {
    let url = format!("{}/v1/identity/oidc/token/processor", bao.address);
    let answer = reqwest::Client::new().get(url).header("X-Vault-Token", login).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["data"]["token"].as_str().unwrap().to_owned()
}

async fn call(gateway: &Gateway, token: &str) -> String {
    let request = format!(
        "GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\nConnection: close\r\n{token}\r\n"
    );
    send(gateway.address(), request.as_bytes()).await
}

async fn wait_until_accepted(gateway: &Gateway, field: &str) -> Duration {
    let began = Instant::now();
    while status(&call(gateway, field).await) != 200 {
        assert!(began.elapsed() < Duration::from_secs(60), "the token is not accepted: {}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

fn guarded(issuer: &str, audience: &str) -> String {
    format!(
        "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{{*path}}\"]\nany_tenant = true\n[[routes.plugins]]\nplugin = \"caller-auth\"\n\
         token.issuer = \"{issuer}\"\ntoken.audience = [\"{audience}\"]\ntoken.claims = {{ roles = [\"Kyc.Call\"] }}\n\
         [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_tokens_are_accepted_during_key_rotation_and_outage() {
    let onfido = Echo::start().await;
    let mut bao = OpenBao::start().await;
    let login = provider(&bao).await;
    let issuer = format!("{}/v1/identity/oidc", bao.address);
    let setup = Setup::default().onfido(onfido.address);
    let gateway = start(setup.config(&guarded(&issuer, AUDIENCE))).await;
    let elsewhere = Setup::default().onfido(onfido.address).config(&guarded(&issuer, "another-gateway"));
    let elsewhere = start(elsewhere).await;

    let first = token(&bao, &login).await;
    let bearer = format!("Authorization: Bearer {first}\r\n");
    wait_until_accepted(&gateway, &bearer).await;
    let accepted = call(&gateway, &bearer).await;
    let without = call(&gateway, "").await;
    let (message, _) = first.rsplit_once('.').unwrap();
    let unsigned = call(&gateway, &format!("Authorization: Bearer {message}.\r\n")).await;
    bao.call("POST", "identity/oidc/key/kyc/rotate", json!({ "verification_ttl": "1h" })).await;
    let second = token(&bao, &login).await;
    let rotated = wait_until_accepted(&gateway, &format!("Authorization: Bearer {second}\r\n")).await;
    bao.kill().await;
    let away = call(&gateway, &format!("Authorization: Bearer {second}\r\n")).await;
    let other = call(&elsewhere, &bearer).await;

    assert!(accepted.contains("Token token=token-acme") && !accepted.contains(&first), "{accepted}");
    assert_eq!(
        [&without, &unsigned, &other].map(|answer| status(answer)),
        [401; 3],
        "{without}{unsigned}{other}"
    );
    assert_eq!(status(&away), 200, "{away}");
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("kyc_gateway_callers_refused_total{reason=\"token\",route=\"onfido\"} "),
        "{metrics}"
    );
    println!("a token by a new key was accepted after {} ms", rotated.as_millis());
    let log = gateway.stop().await;
    assert!(!log.contains(&first) && !log.contains(&second), "a token is in the log");
}
