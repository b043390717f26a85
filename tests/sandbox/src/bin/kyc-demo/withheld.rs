//! A result whose notification never comes, and the event that arrives all the same.

use http::StatusCode;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::narrator::{Call, Narrator};
use crate::operator::operate;
use crate::stage::{OVERDUE, Stage};

/// Starts a check of the first tenant whose notification Onfido withholds, and waits for the event of the reconciliation.
pub(crate) async fn play(stage: &Stage, narrator: &mut Narrator) -> Result<(), Failure> {
    let Some(tenant) = stage.tenants.first() else { return Ok(()) };
    let name = tenant.name;
    let call = |title: &str, path: &str, body: &Value| {
        let url = format!("{}/dcs/kyc2/{path}", stage.gateway.url());
        Call::new(&format!("{name}: {title}"), &stage.client, "POST", &url)
            .header("SubscriptionId", &tenant.subscription_id)
            .body(&body.to_string())
    };

    let person =
        call("another applicant", "CreateApplicant", &json!({"first_name": "Ion", "last_name": "Rus"}));
    let applicant = narrator.call(person, StatusCode::CREATED).await?.member("id")?;
    stage.onfido.withhold(1);
    let wanted = json!({"applicant_id": applicant, "report_names": ["document"]});
    let start = call("a check, whose result Onfido will never notify", "StartCheck", &wanted);
    let check = narrator.call(start, StatusCode::CREATED).await?.json()?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (id, report) = (text(check.get("id")), text(check.pointer("/report_ids/0")));
    narrator.note("The gateway has noted the check in its ledger before it answered.");

    narrator.step(&format!(
        "{name}: the result is overdue after {OVERDUE}, the gateway looks it up at Onfido, and the portal gets it"
    ));
    let about = |body: &[u8]| String::from_utf8_lossy(body).contains(&report);
    let taken = tenant
        .portal
        .deliveries()
        .wait_for(|taken| taken.iter().find(|delivery| about(&delivery.event)).cloned())
        .await?;
    let source = taken.headers.get("x-event-source").and_then(|source| source.to_str().ok());
    let sent =
        stage.onfido.notifications().inspect(|all| all.iter().filter(|sent| about(&sent.body)).count());
    narrator.note(&format!("Notifications that Onfido sent about the report {report}: {sent}"));
    narrator.note(&format!(
        "{} took {} with X-Event-Source: {}",
        taken.action,
        String::from_utf8_lossy(&taken.event),
        source.unwrap_or("none")
    ));
    if (sent, source) != (0, Some("reconciliation")) {
        return Err(Failure::new("the event was not found by reconciliation"));
    }
    operate(stage, narrator, &["checks", "list", "--tenant", name])?;
    operate(stage, narrator, &["checks", "show", &id])
}
