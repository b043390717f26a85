use httpmock::MockServer;
use kyc_http_client::Trust;
use kyc_model::testkit;
use kyc_portal::PortalConfig;
use kyc_telemetry::MetricsRegistry;
use serde_json::{Value, json};

use super::*;
use crate::NotificationRoute;
use crate::code::Code;

fn probes(config: &DoctorConfig, routes: &[NotificationRoute]) -> Probes {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let portals = PortalClient::new(&PortalConfig::default(), &MetricsRegistry::default()).unwrap();
    let onfido = ClientSettings::new(Duration::from_secs(5), Trust::Nobody);
    let expected = Expected::new(config, routes);
    let tokens = AccessTokens::new(onfido.clone(), Cleartext::Local, ()).unwrap();
    Probes::new(config, (onfido, Cleartext::Local, tokens), Arc::new(portals), expected).unwrap()
}

fn notifications() -> [NotificationRoute; 1] {
    let paths = vec!["/dcs/kyc2/webhook/notify/{configurationName}".to_owned()];
    [NotificationRoute { paths, events: vec!["report.completed".to_owned()] }]
}

fn tenant(onfido: &MockServer, portal: &MockServer) -> Tenant {
    let [onfido, portal] = [onfido, portal].map(|server| format!("http://{}", server.address()));
    testkit::tenant("acme", &format!("{onfido}/v3.6"), &portal)
}

/// Answers a `GET` of a path at Onfido, with a clock that is far behind.
async fn answering(onfido: &MockServer, path: &str, status: u16, body: &Value) {
    onfido
        .mock_async(|when, then| {
            when.method("GET")
                .path(format!("/v3.6/{path}"))
                .header("authorization", "Token token=token-acme");
            then.status(status).header("date", "Thu, 01 Jan 1970 00:00:00 GMT").json_body(body.clone());
        })
        .await;
}

fn own(token: &Value) -> Value {
    json!({"id": "hook-acme", "url": "https://g.test/notify/acme", "enabled": true, "token": token})
}

/// The codes of what was found, and the probes that could not tell.
fn read(outcome: &Outcome) -> (Vec<Code>, Vec<Probe>) {
    let (mut codes, mut unknown) = (Vec::new(), Vec::new());
    for (probe, verdict) in &outcome.verdicts {
        match verdict {
            Verdict::Known(findings) => codes.extend(findings.iter().map(|finding| finding.code)),
            Verdict::Unknown(_) => unknown.push(*probe),
        }
    }
    (codes, unknown)
}

#[tokio::test]
async fn webhook_is_read_from_the_list_and_the_clock_from_its_date() {
    let (onfido, portal) = (MockServer::start_async().await, MockServer::start_async().await);
    answering(&onfido, "webhooks", 200, &json!({"webhooks": [own(&json!("other"))]})).await;
    let login = portal.mock_async(|_, then| drop(then.status(200).body("\"token\""))).await;
    let probes = probes(&DoctorConfig::default(), &notifications());

    let outcome = probes.probe(&tenant(&onfido, &portal), Occasion::Schedule).await;
    let again = probes.probe(&tenant(&onfido, &portal), Occasion::Schedule).await;

    assert_eq!(read(&outcome), (vec![Code::ClockOff, Code::WebhookTokenDiffers], vec![]));
    assert_eq!(read(&again), read(&outcome));
    assert_eq!(login.calls_async().await, 1, "a recent login is not repeated");
}

#[tokio::test]
async fn token_that_the_list_lacks_is_read_from_the_webhook() {
    let (onfido, portal) = (MockServer::start_async().await, MockServer::start_async().await);
    answering(&onfido, "webhooks", 200, &json!({"webhooks": [own(&Value::Null)]})).await;
    answering(&onfido, "webhooks/hook-acme", 200, &own(&json!("other"))).await;

    let probes = probes(&DoctorConfig::default(), &notifications());
    let (codes, _) = read(&probes.onfido(&tenant(&onfido, &portal)).await);

    assert_eq!(codes, [Code::ClockOff, Code::WebhookTokenDiffers]);
}

#[tokio::test]
async fn webhook_that_neither_list_nor_id_finds_is_missing() {
    let (onfido, portal) = (MockServer::start_async().await, MockServer::start_async().await);
    answering(&onfido, "webhooks", 200, &json!({"webhooks": []})).await;
    answering(&onfido, "webhooks/hook-acme", 404, &json!({})).await;
    let probes = probes(&DoctorConfig::default(), &notifications());

    let missing = read(&probes.onfido(&tenant(&onfido, &portal)).await);
    let odd = Tenant { webhook_id: Some("..".to_owned()), ..tenant(&onfido, &portal) };
    let odd = read(&probes.onfido(&odd).await);

    assert_eq!(missing, (vec![Code::ClockOff, Code::WebhookMissing], vec![]));
    assert_eq!(odd, missing);
}

#[tokio::test]
async fn onfido_that_fails_is_unknown_and_its_retry_after_is_kept() {
    let (onfido, portal) = (MockServer::start_async().await, MockServer::start_async().await);
    onfido.mock_async(|_, then| drop(then.status(429).header("retry-after", "30"))).await;
    let probes = probes(&DoctorConfig::default(), &notifications());

    let outcome = probes.onfido(&tenant(&onfido, &portal)).await;

    assert_eq!(read(&outcome), (vec![], vec![Probe::Credential, Probe::Webhook, Probe::Clock]));
    assert_eq!(outcome.retry_after, Some(Duration::from_secs(30)));
}

/// A gateway without notifications never logs in at a portal, so it must not send passwords there either.
#[tokio::test]
async fn without_a_notification_route_only_the_credential_is_probed() {
    let (onfido, portal) = (MockServer::start_async().await, MockServer::start_async().await);
    answering(&onfido, "webhooks", 401, &json!({})).await;
    let login = portal.mock_async(|_, then| drop(then.status(200))).await;
    let probes = probes(&DoctorConfig::default(), &[]);

    let outcome = probes.probe(&tenant(&onfido, &portal), Occasion::Demand).await;

    assert_eq!(read(&outcome).0, [Code::CredentialRefused]);
    assert_eq!(login.calls_async().await, 0);
}

/// A directory locks an account after a few wrong passwords.
#[test]
fn refused_password_is_sent_again_after_minutes_and_on_demand_after_one() {
    let short = DoctorConfig {
        interval: Duration::from_secs(4),
        refused_login_pause: Duration::from_secs(1),
        ..DoctorConfig::default()
    };

    let reuse = [DoctorConfig::default(), short].map(|config| {
        let probes = probes(&config, &notifications());
        [Occasion::Schedule, Occasion::Demand].map(|occasion| {
            let LoginReuse { success, refusal } = probes.login_reuse(occasion);
            (success.as_secs(), refusal.as_secs())
        })
    });

    assert_eq!(reuse, [[(300, 900), (10, 60)], [(2, 1), (2, 1)]]);
}
