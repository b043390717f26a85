use std::sync::{Mutex, PoisonError};

use kyc_events::Noted;
use kyc_plugin_api::{Params, Phases, Plugin, async_trait, testkit};

use super::*;
use crate::testing;
use crate::{Onfido, OnfidoApi};

/// Remembers what it was told.
#[derive(Default)]
struct Remembering(Mutex<Vec<Note>>);

type Note = (SubjectKind, String, Option<String>, Vec<String>, LedgerState);

#[async_trait]
impl Ledger for Remembering {
    async fn note(&self, started: Started<'_>) -> Noted {
        let Started { kind, id, applicant, reports, state, .. } = started;
        let note = (kind, id.to_owned(), applicant.map(str::to_owned), reports.to_vec(), state);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        Noted::Durable
    }
}

fn plugin(settings: &str) -> (OnfidoApi, Arc<Remembering>) {
    let (services, ledger) = (testing::services(), Arc::new(Remembering::default()));
    services.offer::<dyn Ledger>(Arc::<Remembering>::clone(&ledger));
    (testkit::build_with::<Onfido>(settings, &services).unwrap(), ledger)
}

/// The context of a call after its request phase.
fn request(plugin: &OnfidoApi, method: &str, path: &str) -> Ctx {
    let mut cx = testkit::ctx([]);
    let tenant = testkit::tenant("acme", "https://api.eu.onfido.com/v3.6", "https://portal.example/");
    cx.set_tenant(Arc::new(tenant));
    cx.set_params(Params::from_iter([("path", path)]));
    plugin.request_filter(&testkit::head(method, &format!("/dcs/kyc2/{path}"), &[]), &mut cx).unwrap();
    cx
}

fn respond(plugin: &OnfidoApi, cx: &mut Ctx, status: u16, fields: &[(&'static str, &str)]) -> bool {
    let mut head = ResponseHeader::build(status, None).unwrap();
    for (name, value) in fields {
        head.append_header(*name, *value).unwrap();
    }
    plugin.response_filter(&mut head, &testkit::head("POST", "/", &[]), cx).unwrap();
    cx.take_response_buffering().is_some()
}

const JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");
const CHECK: &[u8] =
    br#"{"id":"c-1","applicant_id":"a-1","status":"in_progress","report_ids":["r-1","r-2"]}"#;

#[tokio::test]
async fn started_checks_and_workflow_runs_are_noted() {
    let (plugin, ledger) = plugin("");
    for (path, body) in [
        ("checks", CHECK),
        ("StartCheck", br#"{"id":"c-2","status":"complete","report_ids":["r-3"]}"#),
        ("workflow_runs/", br#"{"id":"w-1","applicant_id":"a-1","status":"processing","sdk_token":"x"}"#),
    ] {
        let mut cx = request(&plugin, "POST", path);

        assert!(cx.outlasts_caller() && respond(&plugin, &mut cx, 201, &[JSON]), "{path}");
        plugin.buffered_response_filter(&Bytes::from_static(body), &mut cx).await;
    }

    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let applicant = Some("a-1".to_owned());
    assert_eq!(
        *ledger.0.lock().unwrap(),
        [
            (
                SubjectKind::Check,
                "c-1".to_owned(),
                applicant.clone(),
                texts(&["r-1", "r-2"]),
                LedgerState::Open
            ),
            (SubjectKind::Check, "c-2".to_owned(), None, texts(&["r-3"]), LedgerState::Synchronous),
            (SubjectKind::WorkflowRun, "w-1".to_owned(), applicant, Vec::new(), LedgerState::Open),
        ]
    );
}

#[test]
fn only_responses_that_say_what_has_begun_are_kept_back() {
    let (plugin, _) = plugin("");
    for (method, path, status, fields, is_kept_back) in [
        ("POST", "checks", 201, &[JSON][..], true),
        ("POST", "checks", 201, &[], true),
        ("POST", "checks", 201, &[("Content-Type", "text/html")], false),
        ("POST", "checks", 201, &[JSON, ("Content-Encoding", "gzip")], false),
        ("POST", "checks", 201, &[JSON, ("Content-Length", "0")], false),
        ("POST", "checks", 202, &[JSON], false),
        ("POST", "checks", 422, &[JSON], false),
        ("POST", "applicants", 201, &[JSON], false),
        ("GET", "checks", 200, &[JSON], false),
        ("POST", "checks/1/resume", 204, &[], false),
    ] {
        let mut cx = request(&plugin, method, path);

        assert_eq!(respond(&plugin, &mut cx, status, fields), is_kept_back, "{method} {path} {fields:?}");
    }
}

#[test]
fn response_is_asked_for_without_a_content_coding_where_it_is_read() {
    let (plugin, _) = plugin("");
    for (path, expected) in [("checks", "identity"), ("applicants", "gzip")] {
        let mut cx = request(&plugin, "POST", path);
        let mut head = testkit::head("POST", "/v3.6/x", &[("Accept-Encoding", "gzip")]);

        plugin.upstream_request_filter(&mut head, &mut cx).unwrap();

        assert_eq!(head.headers.get(header::ACCEPT_ENCODING).unwrap(), expected, "{path}");
    }
}

#[tokio::test]
async fn response_without_an_id_is_not_noted() {
    let (plugin, ledger) = plugin("");
    let mut cx = request(&plugin, "POST", "checks");

    for body in ["", "[]", "{", r#"{"id":""}"#, r#"{"id":7}"#, "<html>"] {
        plugin.buffered_response_filter(&Bytes::from_static(body.as_bytes()), &mut cx).await;
    }

    assert!(ledger.0.lock().unwrap().is_empty());
}

#[test]
fn notes_are_off_where_the_route_or_the_gateway_says_so() {
    let (off, _) = plugin("ledger = false");
    let without = testing::build("").unwrap();

    for plugin in [&off, &without] {
        assert!(!request(plugin, "POST", "checks").outlasts_caller());
    }
    assert!(off.phases().contains(Phases::BUFFERED_RESPONSE));
}

#[test]
fn notes_without_a_store_are_warned_of_only_when_they_were_asked_for() {
    for (settings, expected) in [("", false), ("ledger = false", false), ("ledger = true", true)] {
        let config: crate::Config = toml::from_str(settings).unwrap();

        let warned = testkit::with_build(|build| {
            Notes::build(config.ledger, build).unwrap();
            !build.warnings.take().is_empty()
        });

        assert_eq!(warned, expected, "{settings}");
    }
}

/// A gateway that only forwards calls must not open an event store because of a default.
#[test]
fn store_is_taken_only_when_it_was_asked_for() {
    for (settings, expected) in [("", false), ("ledger = true", true)] {
        let services = testing::services();
        services.offer::<dyn Ledger>(Arc::new(Remembering::default()));

        testkit::build_with::<Onfido>(settings, &services).unwrap();

        assert_eq!(services.is_taken::<dyn Ledger>(), expected, "{settings}");
    }
}
