use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Account, Mode, Portal, Refusal, Settings, read_ledger};

/// A client that calls a portal like the gateway.
struct Caller {
    portal: Portal,
    client: reqwest::Client,
}

impl Caller {
    async fn start(settings: Settings) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let portal = Portal::start(settings).await.unwrap();
        Self { portal, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn post(&self, path: &str, bearer: &str, body: &str) -> (StatusCode, Value) {
        let request = self.client.post(format!("{}{path}", self.portal.url())).body(body.to_owned());
        let request = request.header("Content-Type", "application/json").bearer_auth(bearer);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn legacy_token(&self) -> String {
        let login = json!({"username": "user-acme", "password": "word-acme", "client_id": "dcs"});
        let (_, answer) = self.post("/api/Authorize/GetToken", "", &login.to_string()).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn call_action(&self, token: &str, event: &str) -> (StatusCode, Value) {
        let body = format!(
            r#"{{"ApiInfo":{{"Token":"{token}"}},"Request":{{"ActionName":"FTOS_Onfido_WebHook","Data":{event}}}}}"#
        );
        self.post("/api/openApi/CallAction", "", &body).await
    }
}

fn settings() -> Settings {
    Settings::new(vec![
        Account {
            tenant: "acme".to_owned(),
            username: "user-acme".to_owned(),
            password: "word-acme".to_owned(),
            client_id: Some("dcs".to_owned()),
        },
        Account {
            tenant: "globex".to_owned(),
            username: "user-globex".to_owned(),
            password: "word-globex".to_owned(),
            client_id: None,
        },
    ])
}

const EVENT: &str = "{ \"payload\" : {\"n\": 1.10e2,\n \"n\": 2} }";

#[tokio::test]
async fn legacy_event_is_recorded_with_its_original_bytes() {
    let caller = Caller::start(settings()).await;

    let token = caller.legacy_token().await;
    let (status, answer) = caller.call_action(&token, EVENT).await;

    assert_eq!((status, &answer["IsSuccess"]), (StatusCode::OK, &json!(true)));
    let taken = caller.portal.deliveries().all();
    assert_eq!((taken[0].tenant.as_str(), taken[0].event.as_ref()), ("acme", EVENT.as_bytes()));
}

#[tokio::test]
async fn keycloak_event_is_the_whole_body() {
    let caller = Caller::start(settings()).await;
    let login = json!({"userName": "user-globex", "password": "word-globex"}).to_string();
    let path = "/ftosapi/automation-processors/actions/FTOS_Onfido_WebHook";

    let (_, answer) = caller.post("/ftosapi/authentication/keycloakToken", "", &login).await;
    let (status, _) = caller.post(path, answer["accessToken"].as_str().unwrap(), EVENT).await;
    let (refused, _) = caller.post(path, "made-up", EVENT).await;

    assert_eq!((status, refused), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    let taken = caller.portal.deliveries().all();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].tenant.as_str(), taken[0].event.as_ref()), ("globex", EVENT.as_bytes()));
}

#[tokio::test]
async fn every_part_of_a_login_is_checked() {
    let caller = Caller::start(settings()).await;

    for login in [
        json!({"username": "user-acme", "password": "word-acme", "client_id": "other"}),
        json!({"username": "user-acme", "password": "word-acme"}),
        json!({"username": "user-acme", "password": "word-globex", "client_id": "dcs"}),
        json!({"username": "user-globex", "password": "word-acme", "client_id": "dcs"}),
    ] {
        let (status, _) = caller.post("/api/Authorize/GetToken", "", &login.to_string()).await;

        assert_eq!(status, StatusCode::UNAUTHORIZED, "{login}");
    }
    assert_eq!(caller.portal.logins(), 4);
}

#[tokio::test]
async fn tokens_expire_on_demand_or_after_their_lifetime() {
    let brief = Caller::start(Settings { token_lifetime: Duration::ZERO, ..settings() }).await;
    let caller = Caller::start(settings()).await;

    let token = caller.legacy_token().await;
    caller.portal.expire_now();
    let (told_status, told) = caller.call_action(&token, EVENT).await;
    let token = brief.legacy_token().await;
    let (_, lived) = brief.call_action(&token, EVENT).await;

    assert_eq!((told_status, &told["IsSuccess"]), (StatusCode::OK, &json!(false)));
    assert_eq!(lived["IsSuccess"], json!(false));
    assert!(caller.portal.deliveries().is_empty());
}

#[tokio::test]
async fn each_mode_causes_its_failure() {
    let caller = Caller::start(settings()).await;
    let token = caller.legacy_token().await;

    for (mode, first, second) in [
        (Mode::Refuse401Once, (401, None), (200, Some(true))),
        (Mode::Refuse401Always, (401, None), (401, None)),
        (Mode::IsSuccessFalse, (200, Some(false)), (200, Some(false))),
        (Mode::ExpiredEnvelopeOnce, (200, Some(false)), (200, Some(true))),
        (Mode::Status(500), (500, None), (500, None)),
        (Mode::Slow(Duration::from_millis(1)), (200, Some(true)), (200, Some(true))),
        (Mode::TooManyRequests { retry_after: 7 }, (429, None), (429, None)),
        (Mode::LoginDown, (200, Some(true)), (200, Some(true))),
    ] {
        caller.portal.set_mode(mode.clone());
        for expected in [first, second] {
            let (status, answer) = caller.call_action(&token, EVENT).await;

            assert_eq!((status.as_u16(), answer["IsSuccess"].as_bool()), expected, "{mode:?}");
        }
    }
    let (login, _) = caller.post("/api/Authorize/GetToken", "", "{}").await;
    assert_eq!(login, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn modes_can_be_set_over_http() {
    let caller = Caller::start(settings()).await;
    let address = format!("http://{}/_sandbox/mode", caller.portal.address());
    let set = |mode: Value| caller.client.post(&address).json(&mode).send();
    let token = caller.legacy_token().await;

    let good = set(json!({"mode": "status", "status": 418})).await.unwrap().status();
    let bad = set(json!({"mode": "status"})).await.unwrap().status();
    let (status, _) = caller.call_action(&token, EVENT).await;

    assert_eq!((good, bad), (StatusCode::NO_CONTENT, StatusCode::BAD_REQUEST));
    assert_eq!(status.as_u16(), 418);
}

#[tokio::test]
async fn ledger_has_every_accepted_event() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger");
    let caller = Caller::start(Settings { ledger: Some(file.clone()), ..settings() }).await;
    let token = caller.legacy_token().await;

    let calls = (0..20).map(|_| caller.call_action(&token, EVENT));
    futures::future::join_all(calls).await;

    let entries = read_ledger(&file).unwrap();
    assert_eq!(entries.len(), 20);
    assert!(entries.iter().all(|entry| entry.tenant == "acme" && entry.event == EVENT));
}

#[tokio::test]
async fn selected_events_are_refused_and_others_accepted() {
    let caller = Caller::start(settings()).await;
    let token = caller.legacy_token().await;

    caller.portal.refuse(Some(Arc::new(|event: &[u8]| {
        let is = |text: &[u8]| event.windows(text.len()).any(|part| part == text);
        if is(b"bad-status") {
            return Some(Refusal::Status(422));
        }
        is(b"bad-envelope").then_some(Refusal::Envelope)
    })));
    let (status, _) = caller.call_action(&token, r#"{"id":"bad-status"}"#).await;
    let (_, envelope) = caller.call_action(&token, r#"{"id":"bad-envelope"}"#).await;
    let (_, other) = caller.call_action(&token, r#"{"id":"good"}"#).await;

    assert_eq!((status.as_u16(), &envelope["IsSuccess"]), (422, &json!(false)));
    assert_eq!((&other["IsSuccess"], caller.portal.deliveries().len()), (&json!(true), 1));
}
