use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use kyc_http_client::Trust;
use kyc_model::testkit::tenant;
use tokio::net::TcpListener;

use super::*;
use crate::WebhookSettings;

const LIMITS: CallLimits = CallLimits { time: Duration::from_secs(5), body: 16 };

fn client(limits: CallLimits) -> OnfidoClient {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = ClientSettings::new(Duration::from_secs(5), Trust::Nobody);
    let tokens = AccessTokens::new(settings.clone(), Cleartext::Local, ()).unwrap();
    OnfidoClient::new(settings, Cleartext::Local, limits, tokens).unwrap()
}

/// The header fields of an answer.
type Fields = &'static [(&'static str, &'static str)];

/// An Onfido that gives the same answer to every call, and records method, path, credential and body.
struct Onfido {
    base: String,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Onfido {
    async fn answering(status: u16, fields: Fields, body: &'static str) -> Self {
        let calls = Arc::<Mutex<Vec<String>>>::default();
        let recorded = Arc::clone(&calls);
        let answer = move |request: Request| {
            let credential = request.headers()["authorization"].to_str().unwrap().to_owned();
            let call = format!("{} {} {credential}", request.method(), request.uri());
            let recorded = Arc::clone(&recorded);
            let fields = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let fields = HeaderMap::from_iter(fields);
            async move {
                let sent = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
                let call = format!("{call} {}", String::from_utf8_lossy(&sent));
                recorded.lock().unwrap().push(call.trim_end().to_owned());
                (StatusCode::from_u16(status).unwrap(), fields, body)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v3.6", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { base, calls }
    }

    async fn get(&self) -> Result<Bytes, OnfidoError> {
        client(LIMITS).get(&self.tenant(), &["checks", "a1"]).await
    }

    fn tenant(&self) -> Tenant {
        tenant("acme", &self.base, "http://portal.test")
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn resource_is_read_below_the_base_url_with_the_tenants_credential() {
    let onfido = Onfido::answering(200, &[], r#"{"id":"a1"}"#).await;

    let body = onfido.get().await.unwrap();
    client(LIMITS).find(&onfido.tenant(), &["reports"], &[("check_id", "a1")]).await.unwrap();

    assert_eq!(body, r#"{"id":"a1"}"#);
    assert_eq!(
        onfido.calls(),
        [
            "GET /v3.6/checks/a1 Token token=token-acme",
            "GET /v3.6/reports?check_id=a1 Token token=token-acme"
        ]
    );
}

#[tokio::test]
async fn each_status_has_its_outcome() {
    let minute = Some(Duration::from_secs(60));
    let hour = Some(Duration::from_secs(3600));
    type Expected = fn(&OnfidoError) -> bool;
    let rows: [(u16, Fields, Option<Duration>, Expected); 9] = [
        (401, &[], None, |error| matches!(error, OnfidoError::CredentialRefused { status: 401 })),
        (403, &[], None, |error| matches!(error, OnfidoError::CredentialRefused { status: 403 })),
        (404, &[], None, |error| matches!(error, OnfidoError::NotFound) && error.is_absent()),
        (410, &[], None, |error| matches!(error, OnfidoError::Gone) && error.is_absent()),
        (429, &[("retry-after", "60")], minute, |error| matches!(error, OnfidoError::RateLimited { .. })),
        (429, &[("retry-after", "4000000000")], hour, |error| !error.is_absent()),
        (429, &[("retry-after", "soon")], None, |error| matches!(error, OnfidoError::RateLimited { .. })),
        (503, &[("retry-after", "60")], minute, |error| {
            matches!(error, OnfidoError::Unavailable { status: 503, .. })
        }),
        (422, &[], None, |error| matches!(error, OnfidoError::Unexpected { status: 422 })),
    ];
    for (status, fields, wait, is_expected) in rows {
        let onfido = Onfido::answering(status, fields, "").await;

        let error = onfido.get().await.unwrap_err();

        assert!(is_expected(&error), "{status}: {error:?}");
        assert_eq!(error.retry_after(), wait, "{status}");
    }
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let other = Onfido::answering(200, &[], "{}").await;
    let location: &'static str = Box::leak(other.base.clone().into_boxed_str());
    let fields: Fields = Box::leak(Box::new([("location", location)]));
    let onfido = Onfido::answering(307, fields, "").await;

    let error = onfido.get().await.unwrap_err();

    assert!(matches!(error, OnfidoError::Unexpected { status: 307 }), "{error:?}");
    assert_eq!(other.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn body_over_the_limit_is_not_read() {
    let largest = Onfido::answering(200, &[], "0123456789abcdef").await;
    let larger = Onfido::answering(200, &[], "0123456789abcdef0").await;

    let (read, refused) = (largest.get().await, larger.get().await);

    assert_eq!(read.unwrap().len(), 16);
    assert!(matches!(refused, Err(OnfidoError::TooLarge { limit: 16 })), "{refused:?}");
}

#[tokio::test]
async fn call_without_an_answer_ends_at_its_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let limits = CallLimits { time: Duration::from_millis(50), ..LIMITS };

    let error = client(limits).get(&tenant("acme", &base, "http://portal.test"), &["ping"]).await;

    assert!(matches!(error, Err(OnfidoError::Transport(TransportError::Timeout))), "{error:?}");
}

#[tokio::test]
async fn credential_is_not_sent_to_another_machine_without_tls() {
    let exposed = tenant("acme", "http://onfido.example", "http://portal.test");

    let error = client(LIMITS).get(&exposed, &["ping"]).await;

    assert!(matches!(error, Err(OnfidoError::Transport(TransportError::Exposed(_)))), "{error:?}");
}

#[tokio::test]
async fn webhook_has_its_signing_token() {
    let onfido = Onfido::answering(200, &[], r#"{"token":"abc"}"#).await;
    let without = Onfido::answering(200, &[], r#"{"id":"x"}"#).await;
    let other = Onfido::answering(200, &[], "<html>").await;
    let client = client(LIMITS);

    let webhook = client.webhook(&onfido.tenant(), "hook-acme").await.unwrap();
    let tokenless = client.webhook(&without.tenant(), "hook-acme").await.unwrap();
    let malformed = client.webhook(&other.tenant(), "hook-acme").await;

    assert!(webhook.token.is_some_and(|token| token.matches(b"abc")));
    assert!(tokenless.token.is_none());
    assert!(matches!(malformed, Err(OnfidoError::Malformed)), "{malformed:?}");
    assert_eq!(onfido.calls(), ["GET /v3.6/webhooks/hook-acme Token token=token-acme"]);
}

#[tokio::test]
async fn error_shows_neither_url_nor_credential() {
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let entry = tenant("canary", &format!("http://{refused}"), "http://portal.test");

    let error = client(LIMITS).webhook(&entry, "hook-canary").await.unwrap_err();

    let text = format!("{error} {error:?}");
    assert!(!text.contains("hook-canary") && !text.contains("token-canary"), "{text}");
}

#[tokio::test]
async fn webhooks_are_listed_with_onfidos_clock() {
    let date = &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let list = r#"{"webhooks":[{"id":"a","url":"https://g.test/a","enabled":false,"events":null,"token":"abc","new":1}]}"#;
    let onfido = Onfido::answering(200, date, list).await;
    let client = client(CallLimits { body: 1024, ..LIMITS });

    let listed = client.webhooks(&onfido.tenant()).await.unwrap();

    let [webhook] = listed.webhooks.as_slice() else { panic!("{listed:?}") };
    assert_eq!((webhook.id.as_deref(), webhook.enabled, &webhook.events), (Some("a"), Some(false), &None));
    assert!(webhook.token.as_ref().is_some_and(|token| token.matches(b"abc")));
    let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(listed.date, Some(expected));
    assert_eq!(onfido.calls(), ["GET /v3.6/webhooks Token token=token-acme"]);
}

#[tokio::test]
async fn list_without_webhooks_is_malformed() {
    let onfido = Onfido::answering(200, &[], "{}").await;

    let listed = client(LIMITS).webhooks(&onfido.tenant()).await;

    assert!(matches!(listed, Err(OnfidoError::Malformed)), "{listed:?}");
}

#[tokio::test]
async fn webhook_is_created_changed_and_deleted() {
    let onfido = Onfido::answering(201, &[], r#"{"id":"w1","token":"abc","name":"n"}"#).await;
    let (tenant, client) = (onfido.tenant(), client(CallLimits { body: 1024, ..LIMITS }));
    let settings = WebhookSettings {
        name: "n".to_owned(),
        url: "https://g.test/acme".to_owned(),
        enabled: true,
        events: vec!["report.completed".to_owned()],
        environments: Vec::new(),
    };

    let created = client.create_webhook(&tenant, &settings).await.unwrap();
    let changed = client
        .update_webhook(&tenant, "w1", &WebhookSettings { events: Vec::new(), enabled: false, ..settings })
        .await
        .unwrap();
    client.delete_webhook(&tenant, "w1").await.unwrap();

    assert_eq!((created.id.as_deref(), created.name.as_deref()), (Some("w1"), Some("n")));
    assert!(created.token.is_some_and(|token| token.matches(b"abc")) && changed.id.is_some());
    assert_eq!(
        onfido.calls(),
        [
            r#"POST /v3.6/webhooks Token token=token-acme {"name":"n","url":"https://g.test/acme","enabled":true,"events":["report.completed"]}"#,
            r#"PUT /v3.6/webhooks/w1 Token token=token-acme {"name":"n","url":"https://g.test/acme","enabled":false}"#,
            "DELETE /v3.6/webhooks/w1 Token token=token-acme",
        ]
    );
}

#[tokio::test]
async fn webhook_that_is_deleted_already_is_no_error() {
    let absent = Onfido::answering(404, &[], "").await;
    let refused = Onfido::answering(403, &[], "").await;

    let gone = client(LIMITS).delete_webhook(&absent.tenant(), "w1").await;
    let error = client(LIMITS).delete_webhook(&refused.tenant(), "w1").await;

    assert!(gone.is_ok(), "{gone:?}");
    assert!(matches!(error, Err(OnfidoError::CredentialRefused { status: 403 })), "{error:?}");
}
