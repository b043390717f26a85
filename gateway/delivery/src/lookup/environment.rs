//! Finds the environment of a notification's resource.
//!
//! Checks and applicants have `sandbox`; reports and workflow runs do not. So a report leads to its check, and whatever belongs to
//! a workflow run leads to its applicant (Onfido API v3.6, the official description of 2026-07-24).

use bytes::Bytes;
use kyc_model::Environment;
use serde_json::Value;

use super::calls::Calls;
use super::onfido::LookupError;
use super::subject::Subject;

/// Returns the environment; `None` for a notification that is not about a person. `resource` is the report, check or workflow
/// run, if it was read.
pub(super) async fn of(
    subject: &Subject,
    resource: Option<&Result<Bytes, LookupError>>,
    calls: &Calls<'_>,
) -> Result<Option<Environment>, LookupError> {
    if let Some(environment) = subject.stated() {
        return Ok(Some(environment));
    }
    match subject.resource_type() {
        Some("audit_log") => Ok(None),
        Some("check") => sandbox(&read(resource)?),
        Some("report") => {
            let report = read(resource)?;
            sandbox(&parse(&calls.get(&["checks", field(&report, "check_id")?]).await?)?)
        }
        Some("watchlist_monitor") => {
            let id = subject.id().ok_or(LookupError::Unsupported)?;
            let monitor = parse(&calls.get(&["watchlist_monitors", id]).await?)?;
            of_applicant(field(&monitor, "applicant_id")?, calls).await
        }
        Some(_) => of_workflow(subject, resource, calls).await,
        None => Err(LookupError::Unsupported),
    }
}

async fn of_workflow(
    subject: &Subject,
    resource: Option<&Result<Bytes, LookupError>>,
    calls: &Calls<'_>,
) -> Result<Option<Environment>, LookupError> {
    if let Some(applicant) = subject.applicant() {
        return of_applicant(applicant, calls).await;
    }
    let run = match (resource, subject.workflow_run()) {
        (Some(resource), _) => read(Some(resource))?,
        (None, Some(id)) => parse(&calls.get(&["workflow_runs", id]).await?)?,
        (None, None) => return Err(LookupError::Unsupported),
    };
    of_applicant(field(&run, "applicant_id")?, calls).await
}

async fn of_applicant(id: &str, calls: &Calls<'_>) -> Result<Option<Environment>, LookupError> {
    sandbox(&parse(&calls.get(&["applicants", id]).await?)?)
}

fn sandbox(resource: &Value) -> Result<Option<Environment>, LookupError> {
    let sandbox = resource.get("sandbox").and_then(Value::as_bool).ok_or(LookupError::Malformed)?;
    Ok(Some(Environment::of_sandbox(sandbox)))
}

/// Returns a resource that was read before. Without an id in the notification there is none.
fn read(resource: Option<&Result<Bytes, LookupError>>) -> Result<Value, LookupError> {
    match resource {
        Some(Ok(bytes)) => parse(bytes),
        Some(Err(error)) => Err(error.clone()),
        None => Err(LookupError::Unsupported),
    }
}

fn parse(bytes: &[u8]) -> Result<Value, LookupError> {
    serde_json::from_slice(bytes).map_err(|_| LookupError::Malformed)
}

fn field<'a>(resource: &'a Value, name: &str) -> Result<&'a str, LookupError> {
    resource.get(name).and_then(Value::as_str).ok_or(LookupError::Malformed)
}
