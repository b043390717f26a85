use kyc_model::{Credential, Secret, testkit};
use serde_json::{Value, json};

use super::*;
use crate::{DoctorConfig, NotificationRoute};

fn tenant(api_token: &str) -> Tenant {
    let authorization = Secret::new(api_token.to_owned()).header_value("Token token=").unwrap();
    Tenant {
        credential: Credential::ApiToken(authorization),
        ..testkit::tenant("acme", "http://onfido.test", "http://portal.test")
    }
}

fn expected(events: &[&str]) -> Expected {
    let route = NotificationRoute {
        paths: vec!["/dcs/kyc2/webhook/notify/{configurationName}".to_owned()],
        events: events.iter().map(|event| (*event).to_owned()).collect(),
    };
    Expected::new(&DoctorConfig::default(), &[route])
}

/// A webhook without a fault, changed by `change`.
fn webhook(change: &Value) -> RegisteredWebhook {
    let mut webhook = json!({
        "id": "hook-acme",
        "url": "https://g.test/dcs/kyc2/webhook/notify/acme",
        "enabled": true,
        "events": ["report.completed"],
        "environments": ["live"],
        "token": "sign-acme",
    });
    webhook.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_json::from_value(webhook).unwrap()
}

fn codes(findings: &[Finding]) -> Vec<Code> {
    findings.iter().map(|finding| finding.code).collect()
}

fn found(tenant: &Tenant, change: &Value) -> Vec<Code> {
    let own = webhook(change);
    codes(&read(tenant, &expected(&["report.completed"]), Some(&own), std::slice::from_ref(&own)))
}

#[test]
fn each_drift_of_a_webhook_has_its_code() {
    let live = tenant("api_live.acme");
    for (change, expected) in [
        (json!({}), vec![]),
        (json!({"enabled": false}), vec![Code::WebhookDisabled]),
        (json!({"enabled": null}), vec![]),
        (json!({"url": "https://g.test/dcs/kyc2/webhook/notify/globex"}), vec![Code::WebhookMoved]),
        (json!({"url": "https://evil.test/"}), vec![Code::WebhookMoved]),
        (json!({"url": null}), vec![Code::WebhookMoved]),
        (json!({"events": ["check.completed"]}), vec![Code::WebhookEvents]),
        (json!({"events": ["check.completed", "report.completed"]}), vec![]),
        (json!({"events": []}), vec![]),
        (json!({"events": null}), vec![]),
        (json!({"environments": ["live", "sandbox"]}), vec![Code::WebhookBothEnvironments]),
        (json!({"environments": []}), vec![Code::WebhookBothEnvironments]),
        (json!({"environments": null}), vec![Code::WebhookBothEnvironments]),
        (json!({"environments": ["sandbox"]}), vec![Code::WebhookOtherEnvironment]),
        (json!({"token": "other"}), vec![Code::WebhookTokenDiffers]),
        (json!({"token": null}), vec![]),
        (json!({"enabled": false, "token": "x"}), vec![Code::WebhookDisabled, Code::WebhookTokenDiffers]),
    ] {
        assert_eq!(found(&live, &change), expected, "{change}");
    }
}

#[test]
fn environment_is_that_of_the_credential() {
    let (sandbox, unknown) = (tenant("api_sandbox.acme"), tenant("test_acme"));

    assert_eq!(found(&sandbox, &json!({})), [Code::WebhookOtherEnvironment]);
    assert_eq!(found(&sandbox, &json!({"environments": ["sandbox"]})), []);
    assert_eq!(found(&sandbox, &json!({"environments": null})), [Code::WebhookBothEnvironments]);
    assert_eq!(found(&unknown, &json!({"environments": null})), []);
}

#[test]
fn token_is_not_compared_when_the_gateway_fetches_it() {
    let fetching = Tenant { signing_token: None, ..tenant("api_live.acme") };

    assert_eq!(found(&fetching, &json!({"token": "other"})), []);
}

#[test]
fn route_that_takes_all_events_requires_none() {
    let own = webhook(&json!({"events": ["check.started"]}));

    let findings = read(&tenant("api_live.acme"), &expected(&["*"]), Some(&own), &[]);

    assert_eq!(findings, []);
}

#[test]
fn other_webhook_with_the_same_url_is_a_double_if_it_is_enabled() {
    let (live, own) = (tenant("api_live.acme"), webhook(&json!({})));
    let doubles = |others: &[Value]| {
        let all: Vec<_> = others.iter().map(webhook).chain([own.clone()]).collect();
        codes(&read(&live, &expected(&["*"]), Some(&own), &all))
    };

    assert_eq!(doubles(&[json!({"id": "b"})]), [Code::WebhookDoubled]);
    assert_eq!(
        doubles(&[json!({"id": "b", "enabled": false}), json!({"id": "c", "url": "https://o.test"})]),
        []
    );
}

#[test]
fn absent_webhook_is_found() {
    let live = tenant("api_live.acme");
    let by_url = Tenant { webhook_id: None, ..live.clone() };
    let neither = Tenant { webhook_id: None, signing_token: None, ..live.clone() };
    let (all, none) = ([webhook(&json!({}))], []);

    let found = [(&live, &all[..]), (&by_url, &all), (&by_url, &none), (&neither, &all)]
        .map(|(tenant, all)| codes(&read(tenant, &expected(&["*"]), None, all)));

    assert_eq!(
        found,
        [vec![Code::WebhookMissing], vec![], vec![Code::WebhookMissing], vec![Code::WebhookNotConfigured]]
    );
}

#[test]
fn advice_has_no_value_of_the_entry_or_the_webhook() {
    let tenant = tenant("api_live.canary");
    let own = webhook(&json!({
        "id": "hook-canary", "url": "https://user:canary@evil.test/canary", "enabled": false, "token": "canary",
        "environments": ["canary"], "events": ["canary"],
    }));

    let findings = read(&tenant, &expected(&["report.completed"]), Some(&own), std::slice::from_ref(&own));

    let text = format!("{findings:?}");
    assert_eq!(findings.len(), 5, "{text}");
    assert!(!text.contains("canary") && !text.contains("evil.test") && !text.contains("acme"), "{text}");
}
