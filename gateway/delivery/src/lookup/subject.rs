//! The resource that a notification is about.

use kyc_model::{Environment, Event};
use serde_json::Value;

/// What a notification says about its resource. A field of an unexpected form counts as absent.
pub(crate) struct Subject(Value);

// === impl Subject ===

impl Subject {
    pub(crate) fn of(event: &Event) -> Self {
        Self(serde_json::from_slice(event.payload()).unwrap_or_default())
    }

    /// Returns the type, if it is a word, as Onfido's are.
    pub(crate) fn resource_type(&self) -> Option<&str> {
        let is_word = |text: &&str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        self.text("/resource_type").filter(is_word)
    }

    /// Returns the path of a report, check or workflow run: what goes along with its notification. The notification's own
    /// `href` is not used; it could lead anywhere.
    pub(crate) fn path(&self) -> Option<[&str; 2]> {
        let collection = match self.resource_type()? {
            "report" => "reports",
            "check" => "checks",
            "workflow_run" => "workflow_runs",
            _ => return None,
        };
        Some([collection, self.text("/object/id")?])
    }

    /// Returns whether the resource itself leads to its environment.
    pub(crate) fn needs_itself(&self) -> bool {
        self.stated().is_none()
            && (matches!(self.resource_type(), Some("report" | "check"))
                || (self.resource_type() == Some("workflow_run") && self.applicant().is_none()))
    }

    /// Returns the environment, if the notification says it. Onfido does not document such a field, but resources have it.
    pub(crate) fn stated(&self) -> Option<Environment> {
        let said =
            ["/resource/sandbox", "/object/sandbox"].into_iter().find_map(|place| self.0.pointer(place));
        said.and_then(Value::as_bool).map(Environment::of_sandbox)
    }

    /// Returns the applicant of a workflow run.
    pub(crate) fn applicant(&self) -> Option<&str> {
        self.text("/resource/applicant_id")
    }

    /// Returns the workflow run of a task or a file.
    pub(crate) fn workflow_run(&self) -> Option<&str> {
        let place = if self.resource_type() == Some("workflow_run") {
            "/object/id"
        } else {
            "/object/workflow_run_id"
        };
        self.text(place).or_else(|| self.text("/resource/workflow_run_id"))
    }

    /// Returns the id of the object of the notification.
    pub(crate) fn id(&self) -> Option<&str> {
        self.text("/object/id")
    }

    fn text(&self, place: &str) -> Option<&str> {
        self.0.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}
