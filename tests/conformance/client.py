"""Calls many operations by the official Python client and prints what it got.

    client.py BASE_URL [SUBSCRIPTION_ID]

The output is one JSON object: operation -> {"result": ...} or {"error": {"status": ..., "body": ...}}.
"""

import hashlib
import json
import sys

import onfido

ID = "7410a943-8f00-43d8-98de-36a774196d86"
OTHER = "a2fb9c62-ab10-4898-a8ec-342c4b552ad5"
# Every byte, so that a change of encoding on the way is found; 256 KiB, so that it does not pass in one read.
FILE = ("passport.png", bytes(range(256)) * 1024)
# The client accepts JSON alone, even where the description has only a file or text; Prism answers that with 406.
ANY = {"_headers": {"Accept": "*/*"}}


def operations(api):
    """Names each operation as the description does.

    Left out are those that this version of the client does not have (biometric tokens) and those for which Prism
    makes an answer that breaks the description (find_addresses, extract, list_reports, find_report). Likewise
    `advanced_validation`: the client writes it into a form as `True`, which the description does not allow.
    """
    applicant = onfido.ApplicantBuilder(
        first_name="Zoë",
        last_name="O'Neill-Łuczak",
        dob="1990-01-31",
        email="zoe@example.com",
        location=onfido.LocationBuilder(ip_address="127.0.0.1", country_of_residence="GBR"),
        consents=[onfido.ApplicantConsentBuilder(name="privacy_notices_read", granted=True)],
    )
    check = onfido.CheckBuilder(
        applicant_id=ID,
        report_names=["document", "facial_similarity_photo"],
        document_ids=[OTHER],
        tags=["a tag"],
        privacy_notices_read_consent_given=True,
    )
    monitor = onfido.WatchlistMonitorBuilder(applicant_id=ID, report_name="watchlist_standard")
    matches = onfido.WatchlistMonitorMatchesUpdater(enable=[ID], disable=[OTHER])
    webhook = onfido.WebhookBuilder(url="https://127.0.0.1:9/hook", enabled=True, events=["check.completed"])
    resend = onfido.WebhookResend(data=[onfido.WebhooksResendItem(resource_id=ID, event="check.completed")])
    run = onfido.WorkflowRunBuilder(applicant_id=ID, workflow_id=OTHER, tags=["a tag"], custom_data={"n": 1})
    task = onfido.CompleteTaskBuilder(data=onfido.CompleteTaskDataBuilder({"first_name": "Zoë"}))
    feedback = onfido.ResultsFeedback(report_id=ID, expected_result="consider")
    sdk = onfido.SdkTokenBuilder(applicant_id=ID, referrer="https://*.example.com/*")
    return {
        "ping": lambda: api.ping(**ANY),
        "create_applicant": lambda: api.create_applicant(applicant),
        "list_applicants": lambda: api.list_applicants(page=2, per_page=5, include_deleted=True),
        "find_applicant": lambda: api.find_applicant(ID),
        "update_applicant": lambda: api.update_applicant(ID, onfido.ApplicantUpdater(last_name="Ωmega")),
        "delete_applicant": lambda: api.delete_applicant(ID),
        "restore_applicant": lambda: api.restore_applicant(ID),
        "find_applicant_consents": lambda: api.find_applicant_consents(ID),
        "generate_sdk_token": lambda: api.generate_sdk_token(sdk),
        "upload_document": lambda: api.upload_document("passport", ID, FILE, side="front", issuing_country="GBR"),
        "list_documents": lambda: api.list_documents(ID),
        "find_document": lambda: api.find_document(ID),
        "download_document": lambda: api.download_document(ID, **ANY),
        "download_nfc_face": lambda: api.download_nfc_face(ID, **ANY),
        "download_document_video": lambda: api.download_document_video(ID, **ANY),
        "upload_live_photo": lambda: api.upload_live_photo(ID, FILE),
        "list_live_photos": lambda: api.list_live_photos(ID),
        "find_live_photo": lambda: api.find_live_photo(ID),
        "download_live_photo": lambda: api.download_live_photo(ID, **ANY),
        "list_live_videos": lambda: api.list_live_videos(ID),
        "find_live_video": lambda: api.find_live_video(ID),
        "download_live_video": lambda: api.download_live_video(ID, **ANY),
        "download_live_video_frame": lambda: api.download_live_video_frame(ID, **ANY),
        "list_motion_captures": lambda: api.list_motion_captures(ID),
        "find_motion_capture": lambda: api.find_motion_capture(ID),
        "download_motion_capture": lambda: api.download_motion_capture(ID, **ANY),
        "download_motion_capture_frame": lambda: api.download_motion_capture_frame(ID, **ANY),
        "upload_id_photo": lambda: api.upload_id_photo(ID, FILE),
        "list_id_photos": lambda: api.list_id_photos(ID),
        "find_id_photo": lambda: api.find_id_photo(ID),
        "download_id_photo": lambda: api.download_id_photo(ID, **ANY),
        "upload_signing_document": lambda: api.upload_signing_document(ID, FILE),
        "list_signing_documents": lambda: api.list_signing_documents(ID),
        "find_signing_document": lambda: api.find_signing_document(ID),
        "download_signing_document": lambda: api.download_signing_document(ID, **ANY),
        "create_check": lambda: api.create_check(check),
        "list_checks": lambda: api.list_checks(ID),
        "find_check": lambda: api.find_check(ID),
        "resume_check": lambda: api.resume_check(ID),
        "download_check": lambda: api.download_check(ID, **ANY),
        "resume_report": lambda: api.resume_report(ID),
        "cancel_report": lambda: api.cancel_report(ID),
        "list_repeat_attempts": lambda: api.list_repeat_attempts(ID),
        "post_results_feedback": lambda: api.post_results_feedback(feedback),
        "create_workflow_run": lambda: api.create_workflow_run(run),
        "list_workflow_runs": lambda: api.list_workflow_runs(page=1, sort="asc", applicant_id=ID, tags=["a", "b"]),
        "find_workflow_run": lambda: api.find_workflow_run(ID),
        "download_signed_evidence_file": lambda: api.download_signed_evidence_file(ID, **ANY),
        "download_evidence_folder": lambda: api.download_evidence_folder(ID, **ANY),
        "create_timeline_file": lambda: api.create_timeline_file(ID),
        "find_timeline_file": lambda: api.find_timeline_file(ID, OTHER, **ANY),
        "list_tasks": lambda: api.list_tasks(ID),
        "find_task": lambda: api.find_task(ID, "profile_1"),
        "complete_task": lambda: api.complete_task(ID, "profile_1", task),
        "download_qes_document": lambda: api.download_qes_document(ID, OTHER, **ANY),
        "download_aes_document": lambda: api.download_aes_document(ID, OTHER, **ANY),
        "download_ses_document": lambda: api.download_ses_document(ID, OTHER, **ANY),
        "create_watchlist_monitor": lambda: api.create_watchlist_monitor(monitor),
        "list_watchlist_monitors": lambda: api.list_watchlist_monitors(ID, include_deleted=True),
        "find_watchlist_monitor": lambda: api.find_watchlist_monitor(ID),
        "delete_watchlist_monitor": lambda: api.delete_watchlist_monitor(ID),
        "list_watchlist_monitor_matches": lambda: api.list_watchlist_monitor_matches(ID),
        "update_watchlist_monitor_match": lambda: api.update_watchlist_monitor_match(ID, matches),
        "force_report_creation_from_watchlist_monitor": lambda: api.force_report_creation_from_watchlist_monitor(ID),
        "create_webhook": lambda: api.create_webhook(webhook),
        "list_webhooks": lambda: api.list_webhooks(),
        "find_webhook": lambda: api.find_webhook(ID),
        "update_webhook": lambda: api.update_webhook(ID, onfido.WebhookUpdater(enabled=False)),
        "delete_webhook": lambda: api.delete_webhook(ID),
        "resend_webhooks": lambda: api.resend_webhooks(resend),
        "list_passkeys": lambda: api.list_passkeys("zoe@example.com"),
        "find_passkey": lambda: api.find_passkey("zoe@example.com", "one"),
        "update_passkey": lambda: api.update_passkey("zoe@example.com", "one", onfido.PasskeyUpdater(state="INACTIVE")),
        "delete_passkey": lambda: api.delete_passkey("zoe@example.com", "one"),
        "delete_passkeys": lambda: api.delete_passkeys("zoe@example.com"),
    }


def outcome(call):
    """Calls, and makes JSON of what came back."""
    try:
        return {"result": plain(call())}
    except onfido.ApiException as error:
        return {"error": {"status": error.status, "body": str(error.body)}}
    except Exception as error:  # one that cannot be read is a result as well
        return {"error": {"status": 0, "body": f"{type(error).__name__}: {error}"}}


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return {"sha256": hashlib.sha256(value).hexdigest(), "length": len(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return value


def main(base_url, subscription=None):
    client = onfido.ApiClient(onfido.Configuration(host=base_url, api_token="dummy-token"))
    if subscription:
        client.set_default_header("SubscriptionId", subscription)
    calls = operations(onfido.DefaultApi(client))
    print(json.dumps({name: outcome(call) for name, call in calls.items()}, default=str))


main(*sys.argv[1:])
