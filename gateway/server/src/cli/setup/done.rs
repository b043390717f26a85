//! The result of an operation, and the failure of one that has none.

use kyc_setup::{FailureKind, SetupError};
use kyc_tenants::error_chain;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::terminal;

/// The result of an operation.
pub(super) struct Done {
    pub(super) text: String,
    pub(super) json: Value,
    pub(super) is_success: bool,
    /// Says that the change was made, and is not recorded whole.
    pub(super) missing_end: Option<Failure>,
}

/// The audit record of a change that was made.
pub(super) struct RecordedIn {
    /// The number of the record of its beginning.
    pub(super) number: i64,
    /// The audit log.
    pub(super) log: String,
    pub(super) missing_end: Option<Failure>,
}

// === impl Done ===

impl Done {
    pub(super) fn success(text: String, json: Value) -> Self {
        Self { text, json, is_success: true, missing_end: None }
    }

    /// Says where the change is recorded; `None` if it is not.
    pub(super) fn recorded(mut self, record: Option<RecordedIn>) -> Self {
        let shown = record.as_ref().map(|record| json!({ "number": record.number, "in": record.log }));
        if let Some(fields) = self.json.as_object_mut() {
            fields.insert("audit_record".to_owned(), shown.unwrap_or_default());
        }
        if let Some(RecordedIn { number, log, missing_end }) = record {
            self.text = format!("{}\nAudit record: {number} in {log}", self.text);
            self.missing_end = missing_end;
        }
        self
    }

    /// The steps of an operation that is not carried out.
    pub(super) fn plan(tenant: &str, steps: &[String]) -> Self {
        let lines = (1..).zip(steps).map(|(number, step)| format!("{number}. {}", terminal::escaped(step)));
        Self::success(lines.collect::<Vec<_>>().join("\n"), json!({ "tenant": tenant, "steps": steps }))
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let text = error_chain(&error);
        match error.kind() {
            FailureKind::Refused => Self::Refused(text),
            FailureKind::Usage => Self::Usage(text),
            FailureKind::Unreachable => Self::Unreachable(text),
            FailureKind::Denied => Self::Denied(text),
            FailureKind::System => Self::System(text),
        }
    }
}
