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
}

// === impl Done ===

impl Done {
    pub(super) fn success(text: String, json: Value) -> Self {
        Self { text, json, is_success: true }
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
