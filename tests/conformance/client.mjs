// Calls many operations by the official Node client and prints what it got.
//
//     NODE_MODULES=FOLDER [HTTP2=1] client.mjs BASE_URL [SUBSCRIPTION_ID]
//
// The output is one JSON object: operation -> {"result": ...} or {"error": {"status": ..., "body": ...}}.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { Configuration, DefaultApi, FileTransfer } = require("@onfido/api");

const ID = "7410a943-8f00-43d8-98de-36a774196d86";
const OTHER = "a2fb9c62-ab10-4898-a8ec-342c4b552ad5";
// Every byte, so that a change of encoding on the way is found; 256 KiB, so that it does not pass in one read.
const FILE = new FileTransfer(Buffer.from(Array.from({ length: 256 * 1024 }, (_, at) => at % 256)), "passport.png");

// Names each operation as the description does. Left out are those that this version of the client does not have
// (biometric tokens) and those for which Prism makes an answer that breaks the description (find_addresses, extract,
// list_reports, find_report).
function operations(api) {
  const applicant = {
    first_name: "Zoë",
    last_name: "O'Neill-Łuczak",
    dob: "1990-01-31",
    email: "zoe@example.com",
    location: { ip_address: "127.0.0.1", country_of_residence: "GBR" },
    consents: [{ name: "privacy_notices_read", granted: true }],
  };
  const check = {
    applicant_id: ID,
    report_names: ["document", "facial_similarity_photo"],
    document_ids: [OTHER],
    tags: ["a tag"],
    privacy_notices_read_consent_given: true,
  };
  const monitor = { applicant_id: ID, report_name: "watchlist_standard" };
  const matches = { enable: [ID], disable: [OTHER] };
  const webhook = { url: "https://127.0.0.1:9/hook", enabled: true, events: ["check.completed"] };
  const resend = { data: [{ resource_id: ID, event: "check.completed" }] };
  const run = { applicant_id: ID, workflow_id: OTHER, tags: ["a tag"], custom_data: { n: 1 } };
  const task = { data: { first_name: "Zoë" } };
  const feedback = { report_id: ID, expected_result: "consider" };
  const sdk = { applicant_id: ID, referrer: "https://*.example.com/*" };
  return {
    ping: () => api.ping(),
    create_applicant: () => api.createApplicant(applicant),
    list_applicants: () => api.listApplicants(2, 5, true),
    find_applicant: () => api.findApplicant(ID),
    update_applicant: () => api.updateApplicant(ID, { last_name: "Ωmega" }),
    delete_applicant: () => api.deleteApplicant(ID),
    restore_applicant: () => api.restoreApplicant(ID),
    find_applicant_consents: () => api.findApplicantConsents(ID),
    generate_sdk_token: () => api.generateSdkToken(sdk),
    upload_document: () => api.uploadDocument("passport", ID, FILE, undefined, "front", "GBR", true),
    list_documents: () => api.listDocuments(ID),
    find_document: () => api.findDocument(ID),
    download_document: () => api.downloadDocument(ID),
    download_nfc_face: () => api.downloadNfcFace(ID),
    download_document_video: () => api.downloadDocumentVideo(ID),
    upload_live_photo: () => api.uploadLivePhoto(ID, FILE, true),
    list_live_photos: () => api.listLivePhotos(ID),
    find_live_photo: () => api.findLivePhoto(ID),
    download_live_photo: () => api.downloadLivePhoto(ID),
    list_live_videos: () => api.listLiveVideos(ID),
    find_live_video: () => api.findLiveVideo(ID),
    download_live_video: () => api.downloadLiveVideo(ID),
    download_live_video_frame: () => api.downloadLiveVideoFrame(ID),
    list_motion_captures: () => api.listMotionCaptures(ID),
    find_motion_capture: () => api.findMotionCapture(ID),
    download_motion_capture: () => api.downloadMotionCapture(ID),
    download_motion_capture_frame: () => api.downloadMotionCaptureFrame(ID),
    upload_id_photo: () => api.uploadIdPhoto(ID, FILE),
    list_id_photos: () => api.listIdPhotos(ID),
    find_id_photo: () => api.findIdPhoto(ID),
    download_id_photo: () => api.downloadIdPhoto(ID),
    upload_signing_document: () => api.uploadSigningDocument(ID, FILE),
    list_signing_documents: () => api.listSigningDocuments(ID),
    find_signing_document: () => api.findSigningDocument(ID),
    download_signing_document: () => api.downloadSigningDocument(ID),
    create_check: () => api.createCheck(check),
    list_checks: () => api.listChecks(ID),
    find_check: () => api.findCheck(ID),
    resume_check: () => api.resumeCheck(ID),
    download_check: () => api.downloadCheck(ID),
    resume_report: () => api.resumeReport(ID),
    cancel_report: () => api.cancelReport(ID),
    list_repeat_attempts: () => api.listRepeatAttempts(ID),
    post_results_feedback: () => api.postResultsFeedback(feedback),
    create_workflow_run: () => api.createWorkflowRun(run),
    list_workflow_runs: () => api.listWorkflowRuns(1, undefined, undefined, undefined, "asc", ID, ["a", "b"]),
    find_workflow_run: () => api.findWorkflowRun(ID),
    download_signed_evidence_file: () => api.downloadSignedEvidenceFile(ID),
    download_evidence_folder: () => api.downloadEvidenceFolder(ID),
    create_timeline_file: () => api.createTimelineFile(ID),
    find_timeline_file: () => api.findTimelineFile(ID, OTHER),
    list_tasks: () => api.listTasks(ID),
    find_task: () => api.findTask(ID, "profile_1"),
    complete_task: () => api.completeTask(ID, "profile_1", task),
    download_qes_document: () => api.downloadQesDocument(ID, OTHER),
    download_aes_document: () => api.downloadAesDocument(ID, OTHER),
    download_ses_document: () => api.downloadSesDocument(ID, OTHER),
    create_watchlist_monitor: () => api.createWatchlistMonitor(monitor),
    list_watchlist_monitors: () => api.listWatchlistMonitors(ID, true),
    find_watchlist_monitor: () => api.findWatchlistMonitor(ID),
    delete_watchlist_monitor: () => api.deleteWatchlistMonitor(ID),
    list_watchlist_monitor_matches: () => api.listWatchlistMonitorMatches(ID),
    update_watchlist_monitor_match: () => api.updateWatchlistMonitorMatch(ID, matches),
    force_report_creation_from_watchlist_monitor: () => api.forceReportCreationFromWatchlistMonitor(ID),
    create_webhook: () => api.createWebhook(webhook),
    list_webhooks: () => api.listWebhooks(),
    find_webhook: () => api.findWebhook(ID),
    update_webhook: () => api.updateWebhook(ID, { enabled: false }),
    delete_webhook: () => api.deleteWebhook(ID),
    resend_webhooks: () => api.resendWebhooks(resend),
    list_passkeys: () => api.listPasskeys("zoe@example.com"),
    find_passkey: () => api.findPasskey("zoe@example.com", "one"),
    update_passkey: () => api.updatePasskey("zoe@example.com", "one", { state: "INACTIVE" }),
    delete_passkey: () => api.deletePasskey("zoe@example.com", "one"),
    delete_passkeys: () => api.deletePasskeys("zoe@example.com"),
  };
}

// Calls, and makes JSON of what came back.
async function outcome(call) {
  try {
    const answer = await call();
    // A stream that has ended has no session any more.
    const isHttp2 = answer.request.constructor.name === "ClientHttp2Stream";
    if (process.env.HTTP2 && !isHttp2) throw new Error("this was not HTTP/2");
    return { result: plain(answer.data) };
  } catch (error) {
    return { error: { status: error.response?.status ?? 0, body: error.response?.data ?? String(error) } };
  }
}

function plain(value) {
  if (!(value instanceof FileTransfer)) return value;
  const bytes = Buffer.from(value.buffer);
  return { sha256: createHash("sha256").update(bytes).digest("hex"), length: bytes.length };
}

const [basePath, subscription] = process.argv.slice(2);
const headers = subscription ? { SubscriptionId: subscription } : {};
const baseOptions = process.env.HTTP2 ? { headers, httpVersion: 2 } : { headers };
const api = new DefaultApi(new Configuration({ basePath, apiToken: "dummy-token", baseOptions }));
const outcomes = {};
for (const [name, call] of Object.entries(operations(api))) outcomes[name] = await outcome(call);
console.log(JSON.stringify(outcomes));
