//! The doctor: drifts of a tenant's Onfido account and portal are named, and cleared when they are mended.

pub(crate) mod clinic;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::SystemTime;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::operations::operate::said;
use crate::support::gateway::{binary, tenant};
use crate::support::soon;
use clinic::{Clinic, TOKEN, VALID, entry};

/// What goes wrong, and how it is mended.
type Drift = (&'static str, fn(&Clinic), fn(&Clinic));

const DRIFTS: [Drift; 14] = [
    ("webhook_disabled", |clinic| clinic.put(|webhook| webhook.enabled = false), mend_webhook),
    (
        "webhook_moved",
        |clinic| clinic.put(|webhook| webhook.url = webhook.url.replace("acme", "globex")),
        mend_webhook,
    ),
    ("webhook_missing", |clinic| clinic.onfido.remove_webhook("acme", "hook-acme"), mend_webhook),
    (
        "webhook_events",
        |clinic| clinic.put(|webhook| webhook.events = vec!["check.completed".to_owned()]),
        mend_webhook,
    ),
    ("webhook_both_environments", |clinic| clinic.put(|webhook| webhook.environments.clear()), mend_webhook),
    (
        "webhook_other_environment",
        |clinic| clinic.put(|webhook| webhook.environments = vec!["sandbox".to_owned()]),
        mend_webhook,
    ),
    (
        "webhook_token_differs",
        |clinic| clinic.put(|webhook| webhook.token = "another".to_owned()),
        mend_webhook,
    ),
    (
        "webhook_doubled",
        |clinic| clinic.put(|webhook| webhook.id = "hook-double".to_owned()),
        |clinic| clinic.onfido.remove_webhook("acme", "hook-double"),
    ),
    (
        "credential_refused",
        |clinic| clinic.onfido.revoke_token(TOKEN),
        |clinic| clinic.onfido.add_token("acme", TOKEN),
    ),
    ("portal_no_token", |clinic| clinic.portal.deactivate("acme"), |clinic| clinic.portal.activate("acme")),
    (
        "portal_login_refused",
        |clinic| clinic.portal.set_password("acme", "changed"),
        |clinic| clinic.portal.set_password("acme", "password-acme"),
    ),
    (
        "portal_certificate",
        |clinic| clinic.entrance.set(Some(clinic.authority.server(2020))),
        mend_certificate,
    ),
    ("portal_unreachable", |clinic| clinic.entrance.set(None), mend_certificate),
    ("clock_off", |clinic| clinic.onfido.set_clock(-3600), |clinic| clinic.onfido.set_clock(0)),
];

fn mend_webhook(clinic: &Clinic) {
    clinic.put(|_| {});
}

fn mend_certificate(clinic: &Clinic) {
    clinic.entrance.set(Some(clinic.authority.server(VALID)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_drift_is_named_by_the_next_probe_and_cleared_when_mended() {
    let clinic = Clinic::open().await;
    soon(async || clinic.report().await["probed_at"].as_str().map(drop)).await;
    clinic.wait_for(&[]).await;

    for (code, drift, mend) in DRIFTS {
        drift(&clinic);
        let drifted = SystemTime::now();
        clinic.wait_for(&[code]).await;
        let since = clinic.report().await["findings"][0]["since"].as_str().unwrap().to_owned();
        mend(&clinic);
        clinic.wait_for(&[]).await;

        let probes = clinic.probes(drifted, time(&since));
        assert!(probes <= 1, "{code} was named by the probe {probes} after it");
    }

    let log = clinic.gateway.stop().await;
    for (code, ..) in DRIFTS {
        let lines = |message: &str| {
            log.lines().filter(|line| line.contains(message) && line.contains(&format!("\"{code}\""))).count()
        };
        assert_eq!(lines("tenant has a finding"), 1, "{code}");
        assert_eq!(lines("finding of the tenant is cleared"), 1, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_in_commands_and_stay_when_onfido_cannot_be_asked() {
    let clinic = Clinic::open().await;
    soon(async || clinic.report().await["probed_at"].as_str().map(drop)).await;
    let good = clinic.command(&["doctor", "acme"]).await;
    clinic.put(|webhook| webhook.enabled = false);
    clinic.wait_for(&["webhook_disabled"]).await;

    let bad = clinic.command(&["doctor", "--last", "--json"]).await;
    let list = clinic.command(&["list"]).await;
    let nobody = clinic.command(&["doctor", "globex"]).await;
    let gateway = &clinic.gateway;
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    gateway.write_tenants(away, &[entry(&clinic.entrance)]);
    soon(async || {
        let unknown = "kyc_gateway_tenant_probes_unknown{probe=\"webhook\",tenant=\"acme\"} 1";
        gateway.metrics().await.contains(unknown).then_some(())
    })
    .await;
    let report = clinic.report().await;
    let kept = clinic.codes().await;
    gateway.write_tenants(away, &[tenant("globex", "http://127.0.0.1:9")]);
    clinic.wait_for(&[]).await;

    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    assert_eq!(said(&good), "acme: no finding\n");
    assert_eq!(bad.status.code(), Some(1), "{}", said(&bad));
    let answer: Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!(answer["tenants"][0]["findings"][0]["code"], "webhook_disabled");
    assert!(
        said(&list).contains("FINDINGS") && said(&list).contains(" webhook_disabled\n"),
        "{}",
        said(&list)
    );
    assert_eq!((nobody.status.code(), said(&nobody).as_str()), (Some(1), "there is no such tenant\n"));
    assert_eq!(kept, BTreeSet::from(["webhook_disabled".to_owned()]));
    let reason = &report["unknown"].as_array().unwrap().iter().find(|one| one["probe"] == "webhook").unwrap()
        ["reason"];
    assert_eq!(reason, &json!("cannot reach Onfido"), "{report}");
    gateway.signal("-KILL");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_check_probes_each_tenant() {
    let clinic = Clinic::open().await;
    let config = clinic.gateway.folder().join("gateway.toml");
    let check = async || {
        let config = config.clone();
        let arguments = move || {
            Command::new(binary("kyc-gateway")).args(["check", "--live", "--config"]).arg(config).output()
        };
        tokio::task::spawn_blocking(arguments).await.unwrap().unwrap()
    };

    let good = check().await;
    clinic.put(|webhook| webhook.token = "another".to_owned());
    let bad = check().await;

    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    assert!(said(&good).contains("\nacme: no finding\n"), "{}", said(&good));
    assert_eq!(bad.status.code(), Some(1), "{}", said(&bad));
    assert!(said(&bad).contains("\nacme: webhook_token_differs since "), "{}", said(&bad));
    clinic.gateway.stop().await;
}

/// Parses a time of the admin API.
fn time(text: &str) -> SystemTime {
    let (seconds, millis) = text.trim_end_matches('Z').split_once('.').unwrap();
    let date = Command::new("date").args(["-u", "-d", &format!("{seconds}Z"), "+%s"]).output().unwrap();
    let seconds: u64 = String::from_utf8(date.stdout).unwrap().trim().parse().unwrap();
    let millis: u64 = millis.parse().unwrap();
    // The text is cut off to milliseconds.
    SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(seconds * 1000 + millis + 1)
}
