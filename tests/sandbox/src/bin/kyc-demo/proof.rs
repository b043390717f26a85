//! Checks after the flow: no event is at a wrong portal, and no unknown caller is accepted.

use http::StatusCode;

use crate::failure::Failure;
use crate::narrator::{Call, Narrator};
use crate::stage::Stage;

/// Checks the events of each portal. `reports` has those of each tenant, in the order of the tenants.
pub(crate) async fn each_portal_has_only_its_own(
    stage: &Stage,
    reports: &[Vec<String>],
    narrator: &mut Narrator,
) -> Result<(), Failure> {
    narrator.step("Each event is at its own portal, and at no other");
    for (tenant, own) in stage.tenants.iter().zip(reports) {
        let events = tenant.portal.deliveries().all();
        let foreign = events.iter().filter(|delivery| {
            let event = String::from_utf8_lossy(&delivery.event);
            !own.iter().any(|report| event.contains(report.as_str())) || delivery.tenant != tenant.name
        });
        let foreign = foreign.count();
        narrator.note(&format!(
            "{}: {} of its own, {foreign} of others",
            tenant.name,
            events.len().saturating_sub(foreign)
        ));
        if foreign > 0 || own.is_empty() {
            return Err(Failure::new(format!("{}'s portal has an event of someone else", tenant.name)));
        }
    }
    Ok(())
}

pub(crate) async fn unknown_callers_are_refused(
    stage: &Stage,
    narrator: &mut Narrator,
) -> Result<(), Failure> {
    let url = format!("{}/dcs/kyc2/applicants", stage.gateway.url());
    let unknown = Call::new("An unknown SubscriptionId is refused", &stage.client, "GET", &url);
    narrator.call(unknown.header("SubscriptionId", "made-up"), StatusCode::UNAUTHORIZED).await?;

    for tenant in &stage.tenants {
        let before = tenant.portal.deliveries().len();
        let event =
            r#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"forged"}}}"#;
        let signature = kyc_sandbox::signature::sign("not the token", event.as_bytes());
        let title = format!("{}: a notification with a forged signature is refused", tenant.name);
        let forged = Call::new(&title, &stage.client, "POST", &tenant.notify_url(&stage.gateway))
            .header("X-SHA2-Signature", &signature)
            .body(event);
        narrator.call(forged, StatusCode::UNAUTHORIZED).await?;
        if tenant.portal.deliveries().len() != before {
            return Err(Failure::new("a forged event reached a portal"));
        }
    }
    Ok(())
}

pub(crate) async fn metrics_are_there(stage: &Stage, narrator: &mut Narrator) -> Result<(), Failure> {
    narrator.step("The metrics for Prometheus");
    let url = format!("http://{}/metrics", stage.gateway.admin());
    narrator.note(&format!("$ curl -s {url}"));
    let text = stage.client.get(&url).send().await?.error_for_status()?.text().await?;
    let counted = text.lines().filter(|line| line.starts_with("kyc_gateway_requests_total{"));
    counted.for_each(|line| narrator.note(line));
    Ok(())
}
