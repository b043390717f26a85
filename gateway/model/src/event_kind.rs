//! The kinds of notifications that Onfido documents.

/// Every kind (`payload.action`) of Onfido's API v3.6 and of the older versions that the gateway forwards.
pub const EVENT_KINDS: [&str; 20] = [
    "audit_log.created",
    "check.completed",
    "check.form_completed",
    "check.form_opened",
    "check.reopened",
    "check.started",
    "check.withdrawn",
    "report.awaiting_approval",
    "report.cancelled",
    "report.completed",
    "report.resumed",
    "report.withdrawn",
    "watchlist_monitor.matches_updated",
    "workflow_run.completed",
    "workflow_run.started",
    "workflow_run_evidence_folder.created",
    "workflow_signed_evidence_file.created",
    "workflow_task.completed",
    "workflow_task.started",
    "workflow_timeline_file.created",
];

/// The kind of the gateway's own test events, which `kyc-gateway tenants test` sends. Onfido has no such kind, so a portal can tell
/// them from notifications about a person.
pub const TEST_EVENT_KIND: &str = "kyc_gateway.test";

/// Returns a kind for a label of a metric: itself, or `other` for a kind that the gateway does not know. The kind is a text of
/// the sender, who could create time series without end.
pub fn event_kind_label(kind: &str) -> &'static str {
    EVENT_KINDS.into_iter().chain([TEST_EVENT_KIND]).find(|known| *known == kind).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_kind_has_the_label_other() {
        assert_eq!(
            ["report.completed", "kyc_gateway.test", "report.invented", ""].map(event_kind_label),
            ["report.completed", "kyc_gateway.test", "other", "other"]
        );
    }
}
