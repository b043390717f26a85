//! An event that is delivered after an outage of its portal and a crash of the gateway.

use http::StatusCode;
use kyc_sandbox::portal::Mode;
use serde_json::Value;

use crate::failure::Failure;
use crate::narrator::{Call, Narrator};
use crate::operator::operate;
use crate::stage::Stage;

const EVENT: &str = r#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"outlives-everything","status":"complete"}}}"#;

/// Runs the outage with the first tenant.
pub(crate) async fn play(stage: &mut Stage, narrator: &mut Narrator) -> Result<(), Failure> {
    let Some(tenant) = stage.tenants.first() else { return Ok(()) };
    let name = tenant.name;
    narrator.step(&format!("{name}: the portal is down, it answers 503"));
    tenant.portal.set_mode(Mode::Status(503));
    let calls = tenant.portal.calls().len();

    let signature = kyc_sandbox::signature::sign(&tenant.webhook.token, EVENT.as_bytes());
    let title = format!("{name}: Onfido notifies the gateway all the same, and is answered 200");
    let sent = Call::new(&title, &stage.client, "POST", &tenant.notify_url(&stage.gateway))
        .header("X-SHA2-Signature", &signature)
        .body(EVENT);
    narrator.call(sent, StatusCode::OK).await?;
    tenant.portal.calls().wait_for_count(calls + 1).await?;
    narrator
        .note("The event is encrypted in the gateway's store, and its delivery to the portal was attempted:");
    operate(stage, narrator, &["events", "list", "--state", "waiting"])?;

    narrator.step("The gateway is killed (kill -9) and started again");
    let (old, new) = stage.crash().await?;
    narrator.note(&format!("$ kill -9 {old}"));
    narrator.note(&format!("process {old} is gone, {new} has opened the same store"));
    operate(stage, narrator, &["events", "list", "--state", "waiting"])?;

    narrator.step(&format!("{name}: the portal is back, and gets the event"));
    let Some(tenant) = stage.tenants.first() else { return Ok(()) };
    tenant.portal.set_mode(Mode::Ok);
    let taken = tenant
        .portal
        .deliveries()
        .wait_for(|taken| taken.iter().find(|delivery| delivery.event == EVENT.as_bytes()).cloned());
    let taken = taken.await?;
    narrator.note(&format!("{} took {}", taken.action, String::from_utf8_lossy(&taken.event)));
    let uid = taken.headers.get("x-event-id").and_then(|uid| uid.to_str().ok()).unwrap_or_default();
    // The portal answers before the gateway records the result, so wait for the record.
    let mut state = String::new();
    while state != "delivered" {
        let url = format!("http://{}/events/{uid}", stage.gateway.admin());
        let shown: Value = stage.client.get(url).send().await?.json().await?;
        shown.get("state").and_then(Value::as_str).unwrap_or_default().clone_into(&mut state);
    }
    operate(stage, narrator, &["events", "show", uid])
}
