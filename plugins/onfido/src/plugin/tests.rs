mod operations;

use http::Method;
use kyc_model::testkit::oauth_tenant;
use kyc_plugin_api::{Params, UpstreamCredential, testkit};

use super::*;
use crate::{Onfido, testing};

const SAMPLE: &str = r#"
public_url = "https://gateway.example/dcs/kyc2/"
webhook_ids = "inject"
max_checks_body = "64KiB"
strip_version = true
ledger = false
operations = { allow = ["*", "list_webhooks"], deny = ["delete_applicant"], unknown = "refuse", report_only = false, report_only_tenants = false }
timeouts = { connect = "5s", read = "60s", write = "30s", idle = "30s", synchronous_check = "4m" }
aliases = { CreateApplicant = "POST /applicants" }
"#;

fn cx(path: &str) -> Ctx {
    let tenant = testkit::tenant("acme", "https://api.eu.onfido.com/v3.6", "https://portal.example/");
    let mut cx = testkit::ctx([]);
    cx.set_tenant(Arc::new(tenant));
    cx.set_params(Params::from_iter([("path", path)]));
    cx
}

fn call(plugin: &OnfidoApi, method: &str, path: &str) -> Ctx {
    let mut cx = cx(path);
    let head = testkit::head(method, &format!("/dcs/kyc2/{path}"), &[("Host", "gw:8080")]);
    assert!(matches!(plugin.request_filter(&head, &mut cx), Ok(Flow::Next)));
    cx
}

#[test]
fn onfido_passes_the_plugin_contract() {
    testkit::contract_with::<Onfido>(SAMPLE, &testing::services());
}

#[test]
fn invalid_settings_are_refused_with_their_key() {
    let rows = [
        (r#"max_checks_body = "1MiB""#, "max_checks_body: must be from 1 B to 64 KiB"),
        (r#"timeouts = { read = "0s" }"#, "timeouts.read: must be longer than zero"),
        (r#"public_url = "gw.example""#, "public_url: is not an absolute URL"),
        (
            r#"aliases = { X = "BREW /tea" }"#,
            "aliases: X must read \"METHOD /path\", such as \"POST /checks\"",
        ),
    ];

    for (settings, expected) in rows {
        assert_eq!(testing::build(settings).unwrap_err().to_string(), expected);
    }
}

#[test]
fn call_is_sent_to_the_tenants_base_url_with_its_credential() {
    let plugin = testing::build("").unwrap();

    let cx = call(&plugin, "GET", "applicants/1/");

    let target = cx.target().unwrap();
    assert_eq!((target.path_and_query.as_str(), &target.method), ("/v3.6/applicants/1/", &Method::GET));
    let Some((name, UpstreamCredential::Ready(value))) = &target.credential else { panic!("{target:?}") };
    assert_eq!((name, value.to_str().unwrap()), (&header::AUTHORIZATION, "Token token=token-acme"));
    assert!(!format!("{target:?}").contains("token-acme"));
    assert_eq!(cx.body_buffering(), None);
}

#[test]
fn call_of_an_oauth_client_asks_for_its_credential_when_it_is_sent() {
    let plugin = testing::build("").unwrap();
    let mut cx = testkit::ctx([]);
    let entry = oauth_tenant("acme", "https://api.eu.onfido.com/v3.6", "https://portal.example/");
    cx.set_tenant(Arc::new(entry));
    cx.set_params(Params::from_iter([("path", "applicants")]));

    plugin.request_filter(&testkit::head("GET", "/dcs/kyc2/applicants", &[]), &mut cx).unwrap();

    let target = cx.target().unwrap();
    let Some((_, UpstreamCredential::Source(source))) = &target.credential else { panic!("{target:?}") };
    assert!(source.ready().is_none());
    assert!(!format!("{target:?} {cx:?}").contains("oauth-"), "{cx:?}");
}

#[tokio::test]
async fn synchronous_check_gets_a_longer_timeout_and_the_webhook_id() {
    let plugin = testing::build("").unwrap();
    let mut cx = call(&plugin, "POST", "checks/");
    let mut body = Bytes::from_static(br#"{"asynchronous":false}"#);

    let head = testkit::head("POST", "/", &[]);
    plugin.request_body_filter(&head, &mut body, &mut cx).await.unwrap();

    assert_eq!(cx.body_buffering().map(|buffering| buffering.limit), Some(65536));
    assert_eq!(body, br#"{"webhook_ids":["hook-acme"],"asynchronous":false}"#.as_slice());
    assert_eq!(cx.target().unwrap().timeouts.read, Duration::from_secs(240));
}

#[tokio::test]
async fn body_that_another_plugin_requested_is_not_changed() {
    let plugin = testing::build("").unwrap();
    let mut cx = call(&plugin, "POST", "applicants");
    let mut body = Bytes::from_static(b"{}");

    plugin.request_body_filter(&testkit::head("POST", "/", &[]), &mut body, &mut cx).await.unwrap();

    assert_eq!(body, b"{}".as_slice());
}

#[test]
fn links_are_rewritten_to_the_base_url_that_the_caller_used() {
    let plugin = testing::build("").unwrap();
    let mut cx = call(&plugin, "GET", "applicants");
    let mut head = ResponseHeader::build(200, None).unwrap();
    head.append_header("Link", "<https://api.eu.onfido.com/v3.6/applicants?page=2>; rel=\"next\"").unwrap();
    head.append_header("Link", "<https://other.example/>; rel=\"x\"").unwrap();

    let request = testkit::head("GET", "/dcs/kyc2/applicants", &[("Host", "gw:8080")]);
    plugin.response_filter(&mut head, &request, &mut cx).unwrap();

    let links: Vec<_> = head.headers.get_all("link").iter().collect();
    assert_eq!(
        links,
        ["<http://gw:8080/dcs/kyc2/applicants?page=2>; rel=\"next\"", "<https://other.example/>; rel=\"x\""]
    );
}

#[test]
fn compressed_check_is_forwarded_unchanged_unless_webhook_ids_are_enforced() {
    let request = |plugin: &OnfidoApi, coding: &str| {
        let mut cx = cx("checks");
        let head = testkit::head("POST", "/dcs/kyc2/checks", &[("Content-Encoding", coding)]);
        let flow = plugin.request_filter(&head, &mut cx);
        (
            flow.map(|_| ()).map_err(|problem| problem.kind()),
            cx.body_buffering().map(|buffering| buffering.limit),
        )
    };
    let inject = testing::build("").unwrap();
    let enforce = testing::build(r#"webhook_ids = "enforce""#).unwrap();

    let verdicts = [request(&inject, "gzip"), request(&enforce, "gzip"), request(&enforce, "identity")];

    assert_eq!(
        verdicts,
        [(Ok(()), None), (Err(ProblemKind::UnsupportedMediaType), None), (Ok(()), Some(65536))]
    );
}

async fn send(
    plugin: &OnfidoApi,
    webhook_id: Option<&str>,
    body: &'static [u8],
) -> Result<Bytes, ProblemKind> {
    let mut tenant = testkit::tenant("acme", "https://api.eu.onfido.com/v3.6", "https://portal.example/");
    tenant.webhook_id = webhook_id.map(str::to_owned);
    let mut cx = cx("checks");
    cx.set_tenant(Arc::new(tenant));
    let (head, mut body) = (testkit::head("POST", "/dcs/kyc2/checks", &[]), Bytes::from_static(body));
    plugin.request_filter(&head, &mut cx).map_err(|problem| problem.kind())?;
    let flow = plugin.request_body_filter(&head, &mut body, &mut cx).await;
    flow.map(|_| body).map_err(|problem| problem.kind())
}

#[tokio::test]
async fn check_that_is_not_a_json_object_is_refused_only_with_enforce() {
    let bodies: [&[u8]; 6] =
        [b"", b"[]", b"{\"a\":01}", b"\xef\xbb\xbf{}", b"webhook_ids[]=other", b"{\"a\":\"\xff\"}"];
    let enforce = testing::build(r#"webhook_ids = "enforce""#).unwrap();

    for mode in ["inject", "off"] {
        let plugin = testing::build(&format!("webhook_ids = \"{mode}\"")).unwrap();
        for body in bodies {
            assert_eq!(send(&plugin, Some("hook"), body).await, Ok(Bytes::from_static(body)), "{mode}");
        }
        assert_eq!(send(&plugin, None, b"{}").await, Ok(Bytes::from_static(b"{}")), "{mode}");
        assert_eq!(plugin.checks.untouched.get(), 7, "{mode}");
    }
    for body in bodies {
        assert_eq!(send(&enforce, Some("hook"), body).await, Err(ProblemKind::BadRequest), "{body:?}");
    }
    assert_eq!(send(&enforce, None, b"{}").await, Err(ProblemKind::Forbidden));
    assert_eq!(enforce.checks.untouched.get(), 7);
    let ids = send(&enforce, Some("hook"), br#"{"webhook_ids":["other"]}"#).await;
    assert_eq!(ids, Ok(Bytes::from_static(br#"{"webhook_ids":["hook"]}"#)));
}

#[test]
fn other_calls_are_forwarded_with_enforce() {
    let plugin = testing::build(r#"webhook_ids = "enforce""#).unwrap();
    let mut tenant = testkit::tenant("acme", "https://api.eu.onfido.com/v3.6", "https://portal.example/");
    tenant.webhook_id = None;
    let head = testkit::head("POST", "/dcs/kyc2/documents", &[("Content-Type", "multipart/form-data")]);
    let mut cx = cx("documents");
    cx.set_tenant(Arc::new(tenant));

    let flow = plugin.request_filter(&head, &mut cx);

    assert!(matches!(flow, Ok(Flow::Next)) && cx.body_buffering().is_none());
}
