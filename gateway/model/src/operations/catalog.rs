//! The operations of Onfido's OpenAPI description (`plugins/onfido/openapi-v3.6.json`), in the order of their paths.

/// One operation of Onfido's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiOperation {
    /// The `operationId`.
    pub id: &'static str,
    /// The method, in upper case.
    pub method: &'static str,
    /// The path below the base URL, with placeholders in braces.
    pub path: &'static str,
}

// === impl ApiOperation ===

impl ApiOperation {
    /// Returns the group, which is the first segment of the path: `applicants`, `checks`, `webhooks`…
    pub fn group(&self) -> &'static str {
        self.path.trim_start_matches('/').split('/').next().unwrap_or_default()
    }
}

/// All operations. The tests of the `onfido` plugin compare this list with the description.
pub const API_OPERATIONS: [ApiOperation; 84] = [
    operation("find_addresses", "GET", "/addresses/pick"),
    operation("download_aes_document", "GET", "/advanced_electronic_signature/documents"),
    operation("list_applicants", "GET", "/applicants"),
    operation("create_applicant", "POST", "/applicants"),
    operation("delete_applicant", "DELETE", "/applicants/{applicant_id}"),
    operation("find_applicant", "GET", "/applicants/{applicant_id}"),
    operation("update_applicant", "PUT", "/applicants/{applicant_id}"),
    operation("find_applicant_consents", "GET", "/applicants/{applicant_id}/consents"),
    operation("restore_applicant", "POST", "/applicants/{applicant_id}/restore"),
    operation("invalidate_biometric_tokens", "DELETE", "/biometric_tokens/{user_id}"),
    operation("list_biometric_tokens", "GET", "/biometric_tokens/{user_id}"),
    operation("invalidate_biometric_token", "DELETE", "/biometric_tokens/{user_id}/{token_uuid}"),
    operation("find_biometric_token", "GET", "/biometric_tokens/{user_id}/{token_uuid}"),
    operation("update_biometric_token", "PUT", "/biometric_tokens/{user_id}/{token_uuid}"),
    operation("list_checks", "GET", "/checks"),
    operation("create_check", "POST", "/checks"),
    operation("find_check", "GET", "/checks/{check_id}"),
    operation("download_check", "GET", "/checks/{check_id}/download"),
    operation("resume_check", "POST", "/checks/{check_id}/resume"),
    operation("list_documents", "GET", "/documents"),
    operation("upload_document", "POST", "/documents"),
    operation("find_document", "GET", "/documents/{document_id}"),
    operation("download_document", "GET", "/documents/{document_id}/download"),
    operation("download_nfc_face", "GET", "/documents/{document_id}/nfc_face"),
    operation("download_document_video", "GET", "/documents/{document_id}/video/download"),
    operation("extract", "POST", "/extractions"),
    operation("list_id_photos", "GET", "/id_photos"),
    operation("upload_id_photo", "POST", "/id_photos"),
    operation("find_id_photo", "GET", "/id_photos/{id_photo_id}"),
    operation("download_id_photo", "GET", "/id_photos/{id_photo_id}/download"),
    operation("list_live_photos", "GET", "/live_photos"),
    operation("upload_live_photo", "POST", "/live_photos"),
    operation("find_live_photo", "GET", "/live_photos/{live_photo_id}"),
    operation("download_live_photo", "GET", "/live_photos/{live_photo_id}/download"),
    operation("list_live_videos", "GET", "/live_videos"),
    operation("find_live_video", "GET", "/live_videos/{live_video_id}"),
    operation("download_live_video", "GET", "/live_videos/{live_video_id}/download"),
    operation("download_live_video_frame", "GET", "/live_videos/{live_video_id}/frame"),
    operation("list_motion_captures", "GET", "/motion_captures"),
    operation("find_motion_capture", "GET", "/motion_captures/{motion_capture_id}"),
    operation("download_motion_capture", "GET", "/motion_captures/{motion_capture_id}/download"),
    operation("download_motion_capture_frame", "GET", "/motion_captures/{motion_capture_id}/frame"),
    operation("delete_passkeys", "DELETE", "/passkeys/{username}"),
    operation("list_passkeys", "GET", "/passkeys/{username}"),
    operation("delete_passkey", "DELETE", "/passkeys/{username}/{passkey_id}"),
    operation("find_passkey", "GET", "/passkeys/{username}/{passkey_id}"),
    operation("update_passkey", "PUT", "/passkeys/{username}/{passkey_id}"),
    operation("ping", "GET", "/ping"),
    operation("download_qes_document", "GET", "/qualified_electronic_signature/documents"),
    operation("list_repeat_attempts", "GET", "/repeat_attempts/{report_id}"),
    operation("list_reports", "GET", "/reports"),
    operation("find_report", "GET", "/reports/{report_id}"),
    operation("cancel_report", "POST", "/reports/{report_id}/cancel"),
    operation("resume_report", "POST", "/reports/{report_id}/resume"),
    operation("post_results_feedback", "POST", "/results_feedback"),
    operation("generate_sdk_token", "POST", "/sdk_token"),
    operation("list_signing_documents", "GET", "/signing_documents"),
    operation("upload_signing_document", "POST", "/signing_documents"),
    operation("find_signing_document", "GET", "/signing_documents/{signing_document_id}"),
    operation("download_signing_document", "GET", "/signing_documents/{signing_document_id}/download"),
    operation("download_ses_document", "GET", "/simple_electronic_signature/documents"),
    operation("list_watchlist_monitors", "GET", "/watchlist_monitors"),
    operation("create_watchlist_monitor", "POST", "/watchlist_monitors"),
    operation("delete_watchlist_monitor", "DELETE", "/watchlist_monitors/{monitor_id}"),
    operation("find_watchlist_monitor", "GET", "/watchlist_monitors/{monitor_id}"),
    operation("list_watchlist_monitor_matches", "GET", "/watchlist_monitors/{monitor_id}/matches"),
    operation("update_watchlist_monitor_match", "PATCH", "/watchlist_monitors/{monitor_id}/matches"),
    operation(
        "force_report_creation_from_watchlist_monitor",
        "POST",
        "/watchlist_monitors/{monitor_id}/new_report",
    ),
    operation("list_webhooks", "GET", "/webhooks"),
    operation("create_webhook", "POST", "/webhooks"),
    operation("resend_webhooks", "POST", "/webhooks/resend"),
    operation("delete_webhook", "DELETE", "/webhooks/{webhook_id}"),
    operation("find_webhook", "GET", "/webhooks/{webhook_id}"),
    operation("update_webhook", "PUT", "/webhooks/{webhook_id}"),
    operation("list_workflow_runs", "GET", "/workflow_runs"),
    operation("create_workflow_run", "POST", "/workflow_runs"),
    operation("find_workflow_run", "GET", "/workflow_runs/{workflow_run_id}"),
    operation("download_evidence_folder", "GET", "/workflow_runs/{workflow_run_id}/evidence_folder"),
    operation(
        "download_signed_evidence_file",
        "GET",
        "/workflow_runs/{workflow_run_id}/signed_evidence_file",
    ),
    operation("list_tasks", "GET", "/workflow_runs/{workflow_run_id}/tasks"),
    operation("find_task", "GET", "/workflow_runs/{workflow_run_id}/tasks/{task_id}"),
    operation("complete_task", "POST", "/workflow_runs/{workflow_run_id}/tasks/{task_id}/complete"),
    operation("create_timeline_file", "POST", "/workflow_runs/{workflow_run_id}/timeline_file"),
    operation(
        "find_timeline_file",
        "GET",
        "/workflow_runs/{workflow_run_id}/timeline_file/{timeline_file_id}",
    ),
];

const fn operation(id: &'static str, method: &'static str, path: &'static str) -> ApiOperation {
    ApiOperation { id, method, path }
}
