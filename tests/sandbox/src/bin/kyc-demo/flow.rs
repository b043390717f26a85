//! The flow of one tenant, from creating an applicant to the event at its portal.

use http::StatusCode;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::narrator::{Call, Narrator};
use crate::stage::{PASSPORT, Stage, Tenant, passport};

/// Runs the flow. Returns the reports that must arrive at the tenant's portal.
pub(crate) async fn play(
    stage: &Stage,
    tenant: &Tenant,
    narrator: &mut Narrator,
) -> Result<Vec<String>, Failure> {
    let name = tenant.name;
    let call = |title: &str, path: &str| {
        let url = format!("{}/dcs/kyc2/{path}", stage.gateway.url());
        Call::new(&format!("{name}: {title}"), &stage.client, "POST", &url)
            .header("SubscriptionId", &tenant.subscription_id)
    };

    let person = json!({"first_name": "Ana", "last_name": "Pop"}).to_string();
    let create = call("the processor creates an applicant (CreateApplicant)", "CreateApplicant");
    let applicant = narrator.call(create.body(&person), StatusCode::CREATED).await?.member("id")?;
    credential_was_exchanged(stage, tenant, narrator)?;

    let wanted = json!({"applicant_id": applicant, "referrer": "*://*/*"}).to_string();
    let token = call("the browser gets a token for Onfido's SDK (GetSdkToken)", "GetSdkToken");
    narrator.call(token.body(&wanted), StatusCode::OK).await?;

    let path = stage.folder.join(PASSPORT).display().to_string();
    let upload = call("a document is uploaded, streamed through", "documents").form(
        &[("applicant_id", &applicant), ("type", "passport")],
        &path,
        passport(),
    );
    narrator.call(upload, StatusCode::CREATED).await?;

    let wanted = json!({"applicant_id": applicant, "report_names": ["document", "facial_similarity_photo"]});
    let start = call("the processor starts a check (StartCheck)", "StartCheck").body(&wanted.to_string());
    let check = narrator.call(start, StatusCode::CREATED).await?.json()?;
    if check.get("webhook_ids") != Some(&json!([tenant.webhook.id])) {
        return Err(Failure::new("the gateway did not add webhook_ids to the check"));
    }
    narrator
        .note(&format!("The gateway added \"webhook_ids\":[\"{}\"], {name}'s webhook.", tenant.webhook.id));

    let reports: Vec<String> = check
        .get("report_ids")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect();
    notified(stage, tenant, &reports, narrator).await?;
    delivered(tenant, &reports, narrator).await?;
    Ok(reports)
}

/// Checks that Onfido received the tenant's token, and not the caller's `SubscriptionId`.
fn credential_was_exchanged(stage: &Stage, tenant: &Tenant, narrator: &Narrator) -> Result<(), Failure> {
    let last = stage.onfido.requests().inspect(|requests| requests.last().cloned());
    let last = last.ok_or_else(|| Failure::new("Onfido received no request"))?;
    if last.account.as_deref() != Some(tenant.name) || last.headers.contains_key("subscriptionid") {
        return Err(Failure::new("Onfido received the wrong credential"));
    }
    narrator.note(&format!(
        "Onfido received {} {} with {}'s API token and without SubscriptionId.",
        last.method, last.path, tenant.name
    ));
    Ok(())
}

async fn notified(
    stage: &Stage,
    tenant: &Tenant,
    reports: &[String],
    narrator: &mut Narrator,
) -> Result<(), Failure> {
    narrator.step(&format!("{}: Onfido completes the check and notifies the gateway, signed", tenant.name));
    let done = stage.onfido.notifications().wait_for(|attempts| {
        let mut taken = Vec::new();
        for report in reports {
            let about = |body: &[u8]| String::from_utf8_lossy(body).contains(report.as_str());
            let found = attempts.iter().find(|sent| sent.outcome.is_success() && about(&sent.body));
            taken.push(found?.clone());
        }
        Some(taken)
    });
    let Ok(done) = done.await else {
        let last =
            stage.onfido.notifications().inspect(|attempts| attempts.last().map(|sent| sent.outcome.clone()));
        return Err(Failure::new(format!(
            "the gateway did not accept the notifications; the last attempt: {last:?}"
        )));
    };
    let path = format!("/webhooks/{}", tenant.webhook.id);
    if stage
        .onfido
        .requests()
        .inspect(|requests| requests.iter().any(|request| request.path.ends_with(&path)))
    {
        narrator.note(&format!(
            "The document has no webhookToken for {}: the gateway fetched it from Onfido.",
            tenant.name
        ));
    }
    for sent in done {
        let body = String::from_utf8_lossy(&sent.body).into_owned();
        let signature = kyc_sandbox::signature::sign(&tenant.webhook.token, &sent.body);
        narrator.note(&format!(
            "$ curl -s -X POST '{}' -H 'X-SHA2-Signature: {signature}' -H 'Content-Type: application/json' -d '{body}'",
            tenant.notify_url(&stage.gateway)
        ));
        narrator.note(&format!("200 OK at attempt {}, after {} ms", sent.attempt, sent.elapsed.as_millis()));
    }
    Ok(())
}

async fn delivered(tenant: &Tenant, reports: &[String], narrator: &mut Narrator) -> Result<(), Failure> {
    narrator.step(&format!("{}: the portal has the events", tenant.name));
    let done = tenant.portal.deliveries().wait_for(|taken| {
        let mut found = Vec::new();
        for report in reports {
            let about = |event: &[u8]| String::from_utf8_lossy(event).contains(report.as_str());
            found.push(taken.iter().find(|delivery| about(&delivery.event))?.clone());
        }
        Some(found)
    });
    narrator.note(&format!("$ curl -s http://{}/_sandbox/events", tenant.portal.address()));
    for delivery in done.await? {
        narrator.note(&format!("{} took {}", delivery.action, String::from_utf8_lossy(&delivery.event)));
    }
    Ok(())
}
