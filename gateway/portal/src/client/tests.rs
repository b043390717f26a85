mod sessions;

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use httpmock::{Mock, MockServer};
use kyc_http_client::TransportError;
use kyc_model::testkit::tenant;
use kyc_model::{Dialect, Problem, ProblemKind, Tenant};
use tokio::time::Instant;

use super::*;
use crate::DeliveryClass;

const EVENT: &str = r#"{ "payload":{"action":"report.completed", "n":1.0e2, "é":"\u00e9"}, "z":1, "a":2 }"#;
const PAYLOAD: &str = r#"{"action":"report.completed", "n":1.0e2, "é":"\u00e9"}"#;

fn portals(data: DataForm) -> PortalClient {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    PortalClient::new(&PortalConfig { data, ..PortalConfig::default() }, &MetricsRegistry::default()).unwrap()
}

fn entry(portal: &MockServer, dialect: Dialect) -> Tenant {
    let mut entry = tenant("acme", "http://onfido.test", &format!("http://{}/portal", portal.address()));
    entry.portal.dialect = dialect;
    entry
}

async fn deliver_within(
    portals: &PortalClient,
    tenant: &Tenant,
    time: Duration,
) -> Result<(), DeliveryError> {
    let event = Event::parse(&Bytes::from_static(EVENT.as_bytes())).unwrap();
    portals.deliver(tenant, &event, &HeaderMap::new(), Instant::now() + time).await
}

async fn deliver(portals: &PortalClient, tenant: &Tenant) -> Result<(), DeliveryError> {
    deliver_within(portals, tenant, Duration::from_secs(9)).await
}

async fn legacy_login<'a>(portal: &'a MockServer, token: &str) -> Mock<'a> {
    let answer = format!("\"{token}\"");
    portal
        .mock_async(|when, then| {
            when.method("POST")
                .path("/portal/api/Authorize/GetToken")
                .body(r#"{"username":"user-acme","password":"password-acme","client_id":"client-acme"}"#);
            then.status(200).body(answer);
        })
        .await
}

async fn legacy_call<'a>(portal: &'a MockServer, token: &str, status: u16, answer: &str) -> Mock<'a> {
    let (start, answer) = (format!(r#"{{"ApiInfo":{{"Token":"{token}"}},"#), answer.to_owned());
    portal
        .mock_async(|when, then| {
            when.method("POST").path("/portal/api/openApi/CallAction").body_prefix(start);
            then.status(status).body(answer);
        })
        .await
}

#[tokio::test]
async fn legacy_body_contains_the_event_byte_for_byte() {
    let text = serde_json::to_string(EVENT).unwrap();
    for (form, data) in [(DataForm::Event, EVENT), (DataForm::Payload, PAYLOAD), (DataForm::String, &text)] {
        let portal = MockServer::start_async().await;
        legacy_login(&portal, "t1").await;
        let body = format!(
            r#"{{"ApiInfo":{{"Token":"t1"}},"Request":{{"ActionName":"FTOS_Onfido_WebHook","Data":{data}}}}}"#
        );
        let taken = portal
            .mock_async(|when, then| {
                when.path("/portal/api/openApi/CallAction")
                    .header("content-type", "application/json")
                    .body(body);
                then.status(200).body(r#"{"IsSuccess":true,"ErrorCode":0}"#);
            })
            .await;

        deliver(&portals(form), &entry(&portal, Dialect::Legacy)).await.unwrap();

        taken.assert_calls_async(1).await;
    }
}

#[tokio::test]
async fn keycloak_body_is_the_event_byte_for_byte_with_a_bearer_token() {
    let portal = MockServer::start_async().await;
    let login = portal
        .mock_async(|when, then| {
            when.method("POST")
                .path("/portal/ftosapi/authentication/keycloakToken")
                .body(r#"{"userName":"user-acme","password":"password-acme"}"#);
            then.status(200).body(r#"{"accessToken":"ey.J.x","expiresIn":0,"refreshExpiresIn":1800}"#);
        })
        .await;
    let taken = portal
        .mock_async(|when, then| {
            when.method("POST")
                .path("/portal/ftosapi/automation-processors/actions/FTOS_Onfido_WebHook")
                .header("authorization", "Bearer ey.J.x")
                .header("content-type", "application/json")
                .body(EVENT);
            then.status(200).body("1521.09");
        })
        .await;
    let (portals, entry) = (portals(DataForm::Event), entry(&portal, Dialect::Keycloak));

    deliver(&portals, &entry).await.unwrap();
    deliver(&portals, &entry).await.unwrap();

    login.assert_calls_async(1).await;
    taken.assert_calls_async(2).await;
}

#[tokio::test]
async fn failed_deliveries_are_classified_and_not_repeated() {
    for (status, answer, class) in [
        (200, r#"{"isSuccess":false,"Message":"no such action"}"#, DeliveryClass::Refused),
        (200, r#"{"IsSuccess":true,"ErrorCode":12}"#, DeliveryClass::Refused),
        (500, "", DeliveryClass::Transient),
        (429, "", DeliveryClass::Transient),
        (302, "", DeliveryClass::Endpoint),
        (404, "", DeliveryClass::Endpoint),
        (422, "", DeliveryClass::Event),
    ] {
        let portal = MockServer::start_async().await;
        legacy_login(&portal, "t1").await;
        let call = legacy_call(&portal, "t1", status, answer).await;

        let failed = deliver(&portals(DataForm::Event), &entry(&portal, Dialect::Legacy)).await.unwrap_err();

        assert_eq!(failed.class(), class, "{status} {answer}");
        assert_eq!(Problem::from(failed).kind(), ProblemKind::UpstreamError);
        call.assert_calls_async(1).await;
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_html_pages_are_failures() {
    let portal = MockServer::start_async().await;
    legacy_login(&portal, "t1").await;
    let elsewhere = portal
        .mock_async(|when, then| {
            when.path("/elsewhere");
            then.status(200);
        })
        .await;
    let target = format!("http://{}/elsewhere", portal.address());
    let redirect = portal
        .mock_async(|when, then| {
            when.path("/portal/api/openApi/CallAction");
            then.status(307).header("location", target);
        })
        .await;
    let (portals, entry) = (portals(DataForm::Event), entry(&portal, Dialect::Legacy));

    let redirected = deliver(&portals, &entry).await;
    redirect.delete_async().await;
    portal
        .mock_async(|when, then| {
            when.path("/portal/api/openApi/CallAction");
            then.status(200).header("content-type", "text/html; charset=utf-8").body("<html>");
        })
        .await;
    let page = deliver(&portals, &entry).await;

    assert!(matches!(redirected, Err(DeliveryError::Status(307))));
    assert!(matches!(page, Err(DeliveryError::Page)));
    elsewhere.assert_calls_async(0).await;
}

#[tokio::test]
async fn delivery_to_a_slow_portal_ends_at_the_deadline() {
    let portal = MockServer::start_async().await;
    legacy_login(&portal, "t1").await;
    portal
        .mock_async(|when, then| {
            when.path("/portal/api/openApi/CallAction");
            then.status(200).delay(Duration::from_secs(5));
        })
        .await;
    let entry = entry(&portal, Dialect::Legacy);

    let failed =
        deliver_within(&portals(DataForm::Event), &entry, Duration::from_millis(300)).await.unwrap_err();

    assert!(matches!(failed, DeliveryError::Deadline));
    assert_eq!(Problem::from(failed).kind(), ProblemKind::UpstreamTimeout);
}

#[tokio::test]
async fn login_without_tls_at_another_machine_is_refused() {
    let entry = tenant("acme", "http://onfido.test", "http://portal.example/portal");

    let failed = deliver(&portals(DataForm::Event), &entry).await.unwrap_err();

    assert!(
        matches!(&failed, DeliveryError::Transport { source: TransportError::Exposed(_), .. }),
        "{failed:?}"
    );
    assert_eq!(failed.class(), DeliveryClass::Transient, "the event waits until the address is right");
}

#[tokio::test]
async fn error_of_a_refused_connection_contains_no_secret() {
    let refused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let entry = tenant("acme", "http://onfido.test", &format!("http://{refused}"));

    let failed = deliver(&portals(DataForm::Event), &entry).await.unwrap_err();

    let text = format!("{failed} {failed:?}");
    for secret in ["client-acme", "user-acme", "password-acme", "GetToken"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(matches!(&failed, DeliveryError::Transport { source: TransportError::Unreachable(_), .. }));
    assert_eq!(Problem::from(failed).kind(), ProblemKind::UpstreamUnreachable);
}
