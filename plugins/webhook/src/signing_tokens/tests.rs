use futures::future::{FutureExt, join_all};
use httpmock::{Mock, MockServer, Then, When};
use kyc_http_client::TransportError;
use kyc_model::testkit::oauth_tenant;
use kyc_plugin_api::testkit::tenant;

use super::{
    Duration, MetricsRegistry, OnfidoConfig, OnfidoError, Path, Problem, ProblemKind, Secret,
    SigningTokenError, SigningTokens, Tenant,
};
use crate::config::tests::access_tokens;

fn tokens() -> SigningTokens {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (config, folder) = (OnfidoConfig::default(), Path::new(""));
    SigningTokens::new(&config, folder, &MetricsRegistry::default(), access_tokens()).unwrap()
}

fn without_token(onfido: &MockServer) -> Tenant {
    let base = format!("http://{}/v3.6", onfido.address());
    Tenant { signing_token: None, ..tenant("acme", &base, "http://portal.test") }
}

async fn answer<'a>(onfido: &'a MockServer, status: u16, body: &str) -> Mock<'a> {
    let body = body.to_owned();
    onfido
        .mock_async(|when, then| {
            when.method("GET")
                .path("/v3.6/webhooks/hook-acme")
                .header("authorization", "Token token=token-acme");
            then.status(status).header("content-type", "application/json").body(body);
        })
        .await
}

#[tokio::test]
async fn token_of_the_tenant_document_is_used_without_a_fetch() {
    let onfido = MockServer::start_async().await;
    let entry = tenant("acme", &format!("http://{}", onfido.address()), "http://portal.test");

    let token = tokens().token(&entry).await.unwrap();

    assert_eq!(token.reveal(), "sign-acme");
}

#[tokio::test]
async fn concurrent_notifications_fetch_the_token_once() {
    let onfido = MockServer::start_async().await;
    let (asked, entry, tokens) =
        (answer(&onfido, 200, r#"{"id":"x","token":"fetched"}"#).await, without_token(&onfido), tokens());

    let all = join_all((0..20).map(|_| tokens.token(&entry))).await;

    assert!(all.iter().all(|token| token.as_ref().is_ok_and(|token| token.reveal() == "fetched")));
    asked.assert_calls_async(1).await;
    assert_eq!(tokens.fetches.with(&["acme", "ok"]).get(), 1);
}

#[tokio::test]
async fn caller_that_disconnects_does_not_cancel_the_fetch() {
    let onfido = MockServer::start_async().await;
    let (asked, entry, tokens) =
        (answer(&onfido, 200, r#"{"id":"x","token":"fetched"}"#).await, without_token(&onfido), tokens());
    let known = Secret::new("known".to_owned());
    assert!(tokens.token(&entry).now_or_never().is_none());
    assert!(tokens.replacement(&entry, &known).now_or_never().is_none());

    let token = tokens.token(&entry).await.unwrap();
    let newer = tokens.replacement(&entry, &known).await.unwrap();

    assert_eq!((token.reveal(), newer.reveal()), ("fetched", "fetched"));
    asked.assert_calls_async(2).await;
}

#[tokio::test]
async fn failed_fetch_is_unavailable_and_is_not_repeated_at_once() {
    for (status, body, result) in [
        (401, "{}", "denied"),
        (404, "{}", "failed"),
        (503, "", "failed"),
        (302, "", "failed"),
        (200, r#"{"id":"x"}"#, "failed"),
        (200, r#"{"token":""}"#, "failed"),
        (200, "<html>", "failed"),
    ] {
        let onfido = MockServer::start_async().await;
        let (asked, entry, tokens) = (answer(&onfido, status, body).await, without_token(&onfido), tokens());

        let all = join_all((0..20).map(|_| tokens.token(&entry))).await;

        for failed in all {
            assert_eq!(
                Problem::from(failed.unwrap_err()).kind(),
                ProblemKind::Unavailable,
                "{status} {body}"
            );
        }
        asked.assert_calls_async(1).await;
        assert_eq!(tokens.fetches.with(&["acme", result]).get(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn tenant_without_token_and_webhook_id_is_unauthenticated() {
    let entry = Tenant {
        webhook_id: None,
        signing_token: None,
        ..tenant("acme", "http://onfido.test", "http://portal.test")
    };

    let failed = tokens().token(&entry).await.unwrap_err();

    assert!(matches!(failed, SigningTokenError::NoWebhook));
    assert_eq!(Problem::from(failed).kind(), ProblemKind::Unauthenticated);
}

#[tokio::test]
async fn error_text_shows_neither_url_nor_credential() {
    let refused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base = format!("http://{refused}");
    let entry = Tenant { signing_token: None, ..tenant("canary", &base, "http://portal.test") };

    let problem = Problem::from(tokens().token(&entry).await.unwrap_err());

    let text = format!("{problem} {problem:?}");
    assert!(!text.contains("hook-canary") && !text.contains("token-canary"), "{text}");
}

#[tokio::test]
async fn tenant_with_an_oauth_client_fetches_with_an_access_token() {
    let onfido = MockServer::start_async().await;
    let base = format!("http://{}/v3.6", onfido.address());
    let entry = Tenant { signing_token: None, ..oauth_tenant("acme", &base, "http://portal.test") };
    let exchange = onfido
        .mock_async(|when, then| {
            when.method("POST").path("/v3.6/oauth/token");
            then.status(200).body(r#"{"access_token":"abc","expires_in":600}"#);
        })
        .await;
    let webhook = onfido
        .mock_async(|when, then| {
            when.path("/v3.6/webhooks/hook-acme").header("authorization", "Bearer abc");
            then.status(200).body(r#"{"token":"fetched"}"#);
        })
        .await;

    let token = tokens().token(&entry).await.unwrap();

    assert_eq!(token.reveal(), "fetched");
    exchange.assert_calls_async(1).await;
    webhook.assert_calls_async(1).await;
}

#[tokio::test]
async fn refused_oauth_client_counts_as_denied() {
    let onfido = MockServer::start_async().await;
    let base = format!("http://{}/v3.6", onfido.address());
    let entry = Tenant { signing_token: None, ..oauth_tenant("acme", &base, "http://portal.test") };
    let refusing = |when: When, then: Then| {
        when.method("POST").path("/v3.6/oauth/token");
        then.status(401);
    };
    onfido.mock_async(refusing).await;
    let tokens = tokens();

    let failed = tokens.token(&entry).await.unwrap_err();

    assert_eq!(Problem::from(failed).kind(), ProblemKind::Unavailable);
    assert_eq!(tokens.fetches.with(&["acme", "denied"]).get(), 1);
}

#[tokio::test]
async fn token_is_not_fetched_over_cleartext_http_from_another_machine() {
    let entry =
        Tenant { signing_token: None, ..tenant("acme", "http://onfido.example", "http://portal.test") };

    let failed = tokens().token(&entry).await.unwrap_err();

    let exposed =
        matches!(failed, SigningTokenError::Onfido(OnfidoError::Transport(TransportError::Exposed(_))));
    assert!(exposed, "{failed:?}");
}

#[tokio::test]
async fn replaced_token_is_fetched_at_most_once_a_minute() {
    let onfido = MockServer::start_async().await;
    let asked = answer(&onfido, 200, r#"{"id":"x","token":"rotated"}"#).await;
    let base = format!("http://{}/v3.6", onfido.address());
    let (entry, tokens) = (tenant("acme", &base, "http://portal.test"), tokens());
    let known = tokens.token(&entry).await.unwrap();

    let all = join_all((0..20).map(|_| tokens.replacement(&entry, &known))).await;
    let same = tokens.replacement(&entry, all[0].as_ref().unwrap()).await;
    asked.assert_calls_async(1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    let later = tokens.replacement(&entry, &known).await;

    assert!(all.iter().all(|token| token.as_ref().is_some_and(|token| token.reveal() == "rotated")));
    assert!(same.is_none() && later.is_some());
    asked.assert_calls_async(2).await;
}

#[tokio::test]
async fn forged_signatures_cause_one_fetch_a_minute() {
    let onfido = MockServer::start_async().await;
    let asked = answer(&onfido, 503, "").await;
    let base = format!("http://{}/v3.6", onfido.address());
    let (entry, tokens) = (tenant("acme", &base, "http://portal.test"), tokens());
    let known = tokens.token(&entry).await.unwrap();

    assert!(tokens.replacement(&entry, &known).await.is_none());
    tokio::time::pause();
    for _ in 0..50 {
        assert!(tokens.replacement(&entry, &known).await.is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    asked.assert_calls_async(1).await;
}
