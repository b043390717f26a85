//! Results that were never notified, as the notifications that Onfido would have sent.
//!
//! A portal must not need to know two forms, so a found result has the form of a notification, member by member. Two things are not
//! the same. Onfido does not say when a report or check was completed; the time is that of the look-up. And the members of a
//! workflow run are those that the API returns, without the token of the applicant's browser.

use std::collections::BTreeMap;

use bytes::Bytes;
use kyc_model::Tenant;
use serde::Serialize;
use serde_json::value::RawValue;

/// What a result is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultKind {
    Check,
    Report,
    WorkflowRun,
}

/// The body of a notification (`payload` and what is in it).
#[derive(Serialize)]
struct Notification<'a> {
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    resource_type: &'static str,
    action: &'static str,
    object: Object<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<BTreeMap<String, &'a RawValue>>,
}

#[derive(Serialize)]
struct Object<'a> {
    id: &'a str,
    status: &'a str,
    completed_at_iso8601: &'a str,
    href: String,
}

/// A completed resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completed<'a> {
    pub(crate) kind: ResultKind,
    pub(crate) id: &'a str,
    pub(crate) status: &'a str,
    /// When it was completed, as ISO 8601 in UTC.
    pub(crate) at: &'a str,
    /// The resource itself, for a workflow run.
    pub(crate) resource: Option<&'a [u8]>,
}

// === impl ResultKind ===

impl ResultKind {
    /// Returns the action of its notification.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Check => "check.completed",
            Self::Report => "report.completed",
            Self::WorkflowRun => "workflow_run.completed",
        }
    }

    /// Returns the collection in the path of its API.
    pub(crate) fn collection(self) -> &'static str {
        match self {
            Self::Check => "checks",
            Self::Report => "reports",
            Self::WorkflowRun => "workflow_runs",
        }
    }

    fn resource_type(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Report => "report",
            Self::WorkflowRun => "workflow_run",
        }
    }
}

// === impl Completed ===

impl Completed<'_> {
    /// Returns the body of the notification that was never sent; `None` if the resource is not a JSON object.
    pub(crate) fn notification(&self, tenant: &Tenant) -> Option<Bytes> {
        let resource = match self.resource {
            Some(bytes) => Some(without_token(bytes)?),
            None => None,
        };
        let base = tenant.base.url().as_str().trim_end_matches('/');
        let notification = Notification {
            payload: Payload {
                resource_type: self.kind.resource_type(),
                action: self.kind.action(),
                object: Object {
                    id: self.id,
                    status: self.status,
                    completed_at_iso8601: self.at,
                    href: format!("{base}/{}/{}", self.kind.collection(), self.id),
                },
                resource,
            },
        };
        serde_json::to_vec(&notification).ok().map(Bytes::from)
    }
}

/// Returns the members of a workflow run, byte for byte, without the token with which the applicant's browser acts at Onfido.
fn without_token(run: &[u8]) -> Option<BTreeMap<String, &RawValue>> {
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_slice(run).ok()?;
    members.remove("sdk_token");
    Some(members)
}

#[cfg(test)]
mod tests {
    use kyc_model::Event;
    use kyc_model::testkit::tenant;

    use super::*;

    fn completed(kind: ResultKind, resource: Option<&'static [u8]>) -> Bytes {
        let tenant = tenant("acme", "https://api.eu.onfido.com/v3.6/", "https://portal.example/");
        let at = "2022-02-18T03:10:34Z";
        let status = "complete";
        Completed { kind, id: "r-1", status, at, resource }.notification(&tenant).unwrap()
    }

    /// The form of Onfido's published examples.
    #[test]
    fn found_report_has_the_form_of_its_notification() {
        let body = completed(ResultKind::Report, None);

        assert_eq!(
            body,
            r#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"r-1","status":"complete","completed_at_iso8601":"2022-02-18T03:10:34Z","href":"https://api.eu.onfido.com/v3.6/reports/r-1"}}}"#
        );
        let event = Event::parse(&body).unwrap();
        assert_eq!((event.action(), event.resource()), ("report.completed", Some("r-1")));
    }

    #[test]
    fn found_workflow_run_has_its_resource_without_the_token() {
        let run = br#"{"id":"r-1","sdk_token":"canary","output":{"n":1.00}}"#;

        let body = completed(ResultKind::WorkflowRun, Some(run));

        let text = str::from_utf8(&body).unwrap();
        assert!(text.ends_with(r#","resource":{"id":"r-1","output":{"n":1.00}}}}"#), "{text}");
        assert!(!text.contains("canary"));
    }
}
