use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use httpmock::MockServer;
use kyc_model::RequestId;
use kyc_plugin_api::testkit::{build_with, ctx, head, tenant};
use kyc_plugin_api::{Connection, Outcome, Params};

use super::{Bytes, Ctx, Flow, Notifications, Plugin, Problem, ProblemKind, RequestHeader, Tenant};
use crate::Webhook;
use crate::config::tests::services;

const REPORT: &str =
    r#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"r"}}}"#;
const CHECK: &str = r#"{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"c"}}}"#;

fn plugin(settings: &str) -> Notifications {
    build_with::<Webhook>(settings, &services()).unwrap()
}

fn acme(portal: &str) -> Tenant {
    tenant("acme", "http://onfido.test", portal)
}

fn signed(body: &str) -> RequestHeader {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"sign-acme").unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    head("POST", "/dcs/kyc2/webhook/notify/acme", &[("x-sha2-signature", &signature)])
}

fn named(entry: Tenant, name: &str) -> Ctx {
    let mut cx = ctx([entry]);
    cx.set_params(Params::from_iter([("configurationName", name)]));
    cx
}

async fn notify(
    plugin: &Notifications,
    head: &RequestHeader,
    body: &str,
    mut cx: Ctx,
) -> Result<u16, Problem> {
    let mut answered = plugin.request_filter(head, &mut cx);
    if matches!(answered, Ok(Flow::Next)) {
        answered = plugin.request_body_filter(head, &mut Bytes::from(body.to_owned()), &mut cx).await;
    }
    let outcome = Outcome {
        status: 0,
        code: answered.as_ref().err().map(|problem| problem.kind().code()),
        duration: Duration::ZERO,
        upstream_duration: None,
        request_bytes: 0,
        response_bytes: 0,
    };
    plugin.logging(&outcome, &cx);
    let Flow::Respond(answer) = answered? else { panic!("the plugin must answer itself") };
    assert!(answer.body().is_empty());
    Ok(answer.status().as_u16())
}

fn kind(result: Result<u16, Problem>) -> ProblemKind {
    result.unwrap_err().kind()
}

/// Builds the URL without TLS; `MockServer::base_url` returns an `https` one.
fn plain_url(scripted: &MockServer) -> String {
    format!("http://{}", scripted.address())
}

async fn portal_that_takes() -> MockServer {
    let portal = MockServer::start_async().await;
    portal
        .mock_async(|when, then| {
            when.method("POST").path("/api/Authorize/GetToken");
            then.status(200).body("e9735b2a-b5f8-461a-9fec-a819a071a2ff");
        })
        .await;
    portal
}

#[tokio::test]
async fn signed_report_reaches_the_portal_and_is_answered_200() {
    let portal = portal_that_takes().await;
    let taken = portal
        .mock_async(|when, then| {
            when.method("POST")
                .path("/api/openApi/CallAction")
                .header_exists("x-request-id")
                .body_includes(REPORT);
            then.status(200).body(r#"{"IsSuccess":true}"#);
        })
        .await;
    let plugin = plugin("");

    let answered = notify(&plugin, &signed(REPORT), REPORT, named(acme(&plain_url(&portal)), "acme")).await;

    assert_eq!(answered.unwrap(), 200);
    taken.assert_calls_async(1).await;
    assert_eq!(plugin.counted.with(&["acme", "delivered"]).get(), 1);
}

#[tokio::test]
async fn event_that_the_filter_does_not_select_is_answered_200_and_counted() {
    let plugin = plugin("");

    let answered = notify(&plugin, &signed(CHECK), CHECK, named(acme("http://portal.test"), "acme")).await;

    assert_eq!(answered.unwrap(), 200);
    assert_eq!(plugin.counted.with(&["acme", "ignored"]).get(), 1);
}

#[tokio::test]
async fn missing_or_wrong_signature_is_unauthenticated_before_the_body_is_parsed() {
    let plugin = plugin("");
    for head in [signed(CHECK), head("POST", "/", &[("content-type", "text/plain")])] {
        let refused = notify(&plugin, &head, REPORT, named(acme("http://portal.test"), "acme")).await;

        assert_eq!(kind(refused), ProblemKind::Unauthenticated);
    }
    assert_eq!(plugin.counted.with(&["acme", "unauthenticated"]).get(), 2);
}

#[tokio::test]
async fn signed_malformed_json_is_a_bad_request_and_other_media_types_are_unsupported() {
    let plugin = plugin("");
    let mut text = signed(REPORT);
    text.insert_header("content-type", "text/plain").unwrap();
    let malformed = r#"{"payload":{"resource_type":"check"}"#;

    let refused =
        notify(&plugin, &signed(malformed), malformed, named(acme("http://portal.test"), "acme")).await;
    let unsupported = notify(&plugin, &text, REPORT, named(acme("http://portal.test"), "acme")).await;

    assert_eq!(kind(refused), ProblemKind::BadRequest);
    assert_eq!(kind(unsupported), ProblemKind::UnsupportedMediaType);
}

#[tokio::test]
async fn missing_or_malformed_signature_fetches_no_token() {
    let onfido = MockServer::start_async().await;
    let asked = onfido
        .mock_async(|when, then| {
            when.path_prefix("/");
            then.status(200);
        })
        .await;
    let entry = Tenant { signing_token: None, ..tenant("acme", &plain_url(&onfido), "http://portal.test") };
    let malformed = head("POST", "/", &[("x-sha2-signature", "abc")]);

    for head in [head("POST", "/", &[]), malformed] {
        let refused = notify(&plugin(""), &head, REPORT, named(entry.clone(), "acme")).await;
        assert_eq!(kind(refused), ProblemKind::Unauthenticated);
    }

    asked.assert_calls_async(0).await;
}

#[test]
fn names_are_decoded_once_and_matched_exactly() {
    let plugin = plugin("");
    let filter = |name: &str| {
        let mut cx = named(acme("http://p.test"), name);
        let flow = plugin.request_filter(&signed(REPORT), &mut cx);
        assert!(matches!(flow, Ok(Flow::Next)), "{name}");
        cx.tenant().is_some()
    };

    assert!(filter("%61cme"));
    for name in ["ACME", "acme2", "%2561cme", "%", ""] {
        assert!(!filter(name), "{name}");
    }
}

#[tokio::test]
async fn unknown_name_is_answered_like_a_wrong_signature() {
    let plugin = plugin("");
    let wrong = head("POST", "/", &[("x-sha2-signature", &"0".repeat(64))]);
    let answer = async |name: &str, head: &RequestHeader| {
        kind(notify(&plugin, head, REPORT, named(acme("http://p.test"), name)).await)
    };

    for head in [&wrong, &signed(REPORT)] {
        assert_eq!(answer("nobody", head).await, ProblemKind::Unauthenticated);
    }
    assert_eq!(answer("acme", &wrong).await, ProblemKind::Unauthenticated);
    assert_eq!(
        answer("nobody", &RequestHeader::build("POST", b"/", None).unwrap()).await,
        ProblemKind::Unauthenticated
    );
}

#[test]
fn request_before_the_first_tenant_document_is_unavailable() {
    let mut cx = Ctx::new(RequestId::new(), Connection::default(), None);
    cx.set_params(Params::from_iter([("configurationName", "acme")]));

    let refused = plugin("").request_filter(&head("POST", "/", &[]), &mut cx);

    assert_eq!(refused.unwrap_err().kind(), ProblemKind::Unavailable);
}

#[test]
fn declared_body_over_the_limit_is_refused_and_other_bodies_are_read_up_to_the_limit() {
    let plugin = plugin("max_body = \"1KiB\"");
    let mut cx = named(acme("http://portal.test"), "acme");

    let refused = plugin.request_filter(&head("POST", "/", &[("content-length", "1025")]), &mut cx);
    let mut allowed = signed(REPORT);
    allowed.insert_header("content-length", "1024").unwrap();
    let passed = plugin.request_filter(&allowed, &mut cx);

    assert_eq!(refused.unwrap_err().kind(), ProblemKind::BodyTooLarge);
    assert!(matches!(passed, Ok(Flow::Next)));
    assert_eq!(cx.body_buffering().map(|buffering| buffering.limit), Some(1024));
}

/// Only a refusal that knew its tenant was counted, and the limit was checked before: notifications over the limit were lost without
/// an alert. They have a result of their own, because a stranger needs no more than 64 digits for one.
#[tokio::test]
async fn declared_body_over_the_limit_counts_for_the_tenant_unless_it_is_not_signed() {
    let plugin = plugin("max_body = \"1KiB\"");
    let entry = acme("http://portal.test");
    let too_large = |mut head: RequestHeader| {
        head.insert_header("content-length", "1025").unwrap();
        head
    };

    let refused = [
        notify(&plugin, &too_large(signed(REPORT)), REPORT, named(entry.clone(), "acme")).await,
        notify(&plugin, &too_large(head("POST", "/", &[])), REPORT, named(entry.clone(), "acme")).await,
        notify(&plugin, &too_large(signed(REPORT)), REPORT, named(entry, "nobody")).await,
    ];

    assert_eq!(refused.map(kind), [ProblemKind::BodyTooLarge; 3]);
    let counted = ["body_too_large_unverified", "body_too_large"]
        .map(|result| plugin.counted.with(&["acme", result]).get());
    assert_eq!(counted, [1, 0]);
}

#[tokio::test]
async fn route_with_signature_off_accepts_unsigned_notifications_and_counts_them() {
    let plugin = plugin("signature = \"off\"\nallow_unsigned = true");

    let answered =
        notify(&plugin, &head("POST", "/", &[]), CHECK, named(acme("http://portal.test"), "acme")).await;

    assert_eq!(answered.unwrap(), 200);
    assert_eq!(plugin.unsigned.with(&["acme"]).get(), 1);
}

#[tokio::test]
async fn portal_slower_than_the_deadline_is_an_upstream_timeout() {
    let portal = portal_that_takes().await;
    portal
        .mock_async(|when, then| {
            when.path("/api/openApi/CallAction");
            then.status(200).delay(Duration::from_secs(5));
        })
        .await;
    let plugin = plugin("deadline = \"300ms\"");

    let refused = notify(&plugin, &signed(REPORT), REPORT, named(acme(&plain_url(&portal)), "acme")).await;

    assert_eq!(kind(refused), ProblemKind::UpstreamTimeout);
    assert_eq!(plugin.counted.with(&["acme", "upstream_timeout"]).get(), 1);
}

#[tokio::test]
async fn problem_and_debug_show_no_secret() {
    let portal = MockServer::start_async().await;
    portal
        .mock_async(|when, then| {
            when.path("/api/Authorize/GetToken");
            then.status(500).body("canary-from-portal");
        })
        .await;
    let (plugin, entry) = (plugin(""), acme(&plain_url(&portal)));

    let problem = notify(&plugin, &signed(REPORT), REPORT, named(entry.clone(), "acme")).await.unwrap_err();

    let text = format!("{problem} {problem:?} {plugin:?} {entry:?}");
    for secret in
        ["token-acme", "sign-acme", "client-acme", "user-acme", "password-acme", "canary-from-portal"]
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
