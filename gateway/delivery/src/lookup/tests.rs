//! Look-ups in a scripted Onfido, under a paused clock.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Mutex;

use async_trait::async_trait;
use kyc_model::testkit::tenant;
use kyc_onfido_client::OnfidoError;

use super::*;

/// Answers paths from a table; a path that is not in it is never answered.
#[derive(Default)]
struct Script {
    answers: HashMap<&'static str, Result<&'static str, OnfidoError>>,
    calls: Mutex<Vec<String>>,
}

#[async_trait]
impl Resources for Script {
    async fn get(&self, tenant: &Tenant, path: &[&str]) -> Result<Bytes, LookupError> {
        let path = path.join("/");
        self.calls.lock().unwrap().push(format!("{} {path}", tenant.name));
        match self.answers.get(path.as_str()) {
            Some(Ok(body)) => Ok(Bytes::from_static(body.as_bytes())),
            Some(Err(error)) => Err(error.clone().into()),
            None => pending().await,
        }
    }
}

struct Run {
    script: Arc<Script>,
    lookup: Lookup,
    metrics: MetricsRegistry,
}

impl Run {
    fn new(answers: impl IntoIterator<Item = (&'static str, Result<&'static str, OnfidoError>)>) -> Self {
        let script = Arc::new(Script { answers: answers.into_iter().collect(), ..Script::default() });
        let metrics = MetricsRegistry::default();
        let resources: Arc<dyn Resources> = Arc::<Script>::clone(&script);
        let lookup = Lookup::new(resources, WITHIN, &metrics).unwrap();
        Self { script, lookup, metrics }
    }

    async fn prepare(&self, tenant: &Tenant, body: &str) -> Prepared {
        self.lookup.prepare(tenant, Event::parse(&Bytes::from(body.to_owned())).unwrap()).await
    }

    fn calls(&self) -> Vec<String> {
        self.script.calls.lock().unwrap().clone()
    }

    fn metrics(&self) -> String {
        String::from_utf8(self.metrics.encode().unwrap()).unwrap()
    }
}

fn asking(environments: Environments, enrich: bool) -> Tenant {
    Tenant { environments, enrich, ..tenant("acme", "http://onfido.test", "http://portal.test") }
}

fn delivered(prepared: Prepared) -> String {
    match prepared {
        Prepared::Deliver(event) => String::from_utf8(event.document().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_looked_up_for_a_tenant_that_asks_for_nothing() {
    let run = Run::new([]);

    let text = delivered(run.prepare(&asking(Environments::All, false), REPORT).await);

    assert_eq!((text.as_str(), run.calls()), (REPORT, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn test_event_is_delivered_as_it_is_without_a_call() {
    let run = Run::new([]);
    let test =
        r#"{"payload":{"resource_type":"kyc_gateway","action":"kyc_gateway.test","object":{"id":"t"}}}"#;

    let prepared = run.prepare(&asking(Environments::Only(Environment::Live), true), test).await;

    assert_eq!((delivered(prepared).as_str(), run.calls()), (test, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn report_check_or_run_goes_along_beside_the_payload() {
    let body = r#"{"id":"x", "n":1.0e2,"link":{"url":"https://id.onfido.test/l/1","expires_at":"2020-01-01T00:00:00Z"}}"#;
    let with_token = r#"{"sdk_token":"canary","id":"x"}"#;
    let run = Run::new([("reports/r-1", Ok(body)), ("workflow_runs/w-1", Ok(with_token))]);
    let tenant = asking(Environments::All, true);

    let report = delivered(run.prepare(&tenant, REPORT).await);
    let workflow_run = delivered(run.prepare(&tenant, RUN).await);

    // The expired link goes along as it is. Nobody follows it.
    let expected = r#","enrichment":{"status":"found","resource_type":"report","resource":{"id":"x","link":{"url":"https://id.onfido.test/l/1","expires_at":"2020-01-01T00:00:00Z"},"n":1.0e2}}}"#;
    assert_eq!(report, REPORT.strip_suffix('}').unwrap().to_owned() + expected);
    assert!(workflow_run.ends_with(r#""resource":{"id":"x"}}}"#), "{workflow_run}");
    assert_eq!(run.calls(), ["acme reports/r-1", "acme workflow_runs/w-1"]);
}

#[tokio::test(start_paused = true)]
async fn failed_fetch_delivers_the_event_without_it_and_says_why() {
    let limited = OnfidoError::RateLimited { retry_after: Some(Duration::from_secs(3600)) };
    let refused = OnfidoError::CredentialRefused { status: 401 };
    for (answer, status) in [
        (Err(OnfidoError::NotFound), "not_found"),
        (Err(OnfidoError::Gone), "gone"),
        (Err(limited), "rate_limited"),
        (Err(refused), "credential_refused"),
        (Err(OnfidoError::Unexpected { status: 307 }), "unexpected"),
        (Ok("<html>"), "malformed"),
    ] {
        let run = Run::new([("reports/r-1", answer)]);

        let text = delivered(run.prepare(&asking(Environments::All, true), REPORT).await);

        assert!(
            text.ends_with(&format!(r#""enrichment":{{"status":"{status}","resource_type":"report"}}}}"#)),
            "{text}"
        );
    }
}

/// 30 seconds of silence: the delivery waits no longer than its own bound.
#[tokio::test(start_paused = true)]
async fn silent_onfido_delays_a_delivery_by_the_bound_at_most() {
    let run = Run::new([]);
    let start = Instant::now();

    let text = delivered(run.prepare(&asking(Environments::All, true), REPORT).await);

    assert_eq!(start.elapsed(), WITHIN);
    assert!(text.contains(r#""status":"timeout""#), "{text}");
    assert!(
        run.metrics().contains(r#"kyc_gateway_delivery_lookups_total{result="timeout",tenant="acme"} 1"#)
    );
}

#[tokio::test(start_paused = true)]
async fn environment_is_found_from_the_notification_the_check_or_the_applicant() {
    let task = r#"{"payload":{"resource_type":"workflow_task","action":"workflow_task.completed","object":{"id":"t-1","workflow_run_id":"w-1"}}}"#;
    let stated = r#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"r-1"},"resource":{"sandbox":true}}}"#;
    let check = r#"{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"c-1"}}}"#;
    let answers = |sandbox| {
        [
            ("reports/r-1", Ok(r#"{"id":"r-1","check_id":"c-1"}"#)),
            ("checks/c-1", Ok(sandbox)),
            ("workflow_runs/w-1", Ok(r#"{"id":"w-1","applicant_id":"a-1"}"#)),
            ("applicants/a-1", Ok(sandbox)),
        ]
    };
    let live = asking(Environments::Only(Environment::Live), false);
    for (body, calls) in [
        (REPORT, vec!["acme reports/r-1", "acme checks/c-1"]),
        (check, vec!["acme checks/c-1"]),
        (RUN, vec!["acme workflow_runs/w-1", "acme applicants/a-1"]),
        (task, vec!["acme workflow_runs/w-1", "acme applicants/a-1"]),
        (stated, vec![]),
    ] {
        let sandbox = Run::new(answers(r#"{"sandbox":true}"#));
        let real = Run::new(answers(r#"{"sandbox":false}"#));

        let withheld = sandbox.prepare(&live, body).await;
        let other = real.prepare(&asking(Environments::Only(Environment::Sandbox), false), RUN).await;

        assert!(matches!(withheld, Prepared::Withhold(Some(Environment::Sandbox))), "{body}: {withheld:?}");
        assert_eq!(sandbox.calls(), calls, "{body}");
        assert!(matches!(other, Prepared::Withhold(Some(Environment::Live))), "{other:?}");
        assert!(
            sandbox
                .metrics()
                .contains(r#"kyc_gateway_delivery_withheld_total{environment="sandbox",tenant="acme"} 1"#)
        );
        if body != stated {
            assert_eq!(delivered(real.prepare(&live, body).await), body);
        }
    }
}

/// A result whose environment is unknown is neither sent to a production portal nor lost.
#[tokio::test(start_paused = true)]
async fn event_of_unknown_environment_waits_or_is_withheld() {
    let live = asking(Environments::Only(Environment::Live), true);
    let limited = OnfidoError::RateLimited { retry_after: Some(Duration::from_secs(60)) };
    let odd =
        r#"{"payload":{"resource_type":"something_new","action":"something_new.done","object":{"id":"x"}}}"#;
    let audit =
        r#"{"payload":{"resource_type":"audit_log","action":"audit_log.created","object":{"id":"x"}}}"#;

    let late = Run::new([("reports/r-1", Err(limited))]).prepare(&live, REPORT).await;
    let silent = Run::new([("reports/r-1", Ok(r#"{"check_id":"c-1"}"#))]).prepare(&live, REPORT).await;
    let unsaid = Run::new([("reports/r-1", Ok(r#"{"check_id":"c-1"}"#)), ("checks/c-1", Ok("{}"))]);
    let unsaid = unsaid.prepare(&live, REPORT).await;
    let absent = Run::new([("reports/r-1", Err(OnfidoError::NotFound))]).prepare(&live, REPORT).await;
    let unsupported = Run::new([]).prepare(&live, odd).await;

    assert!(
        matches!(&late, Prepared::Unknown(error) if error.retry_after() == Some(Duration::from_secs(60))),
        "{late:?}"
    );
    assert!(matches!(silent, Prepared::Unknown(LookupError::Timeout)), "{silent:?}");
    assert!(matches!(unsaid, Prepared::Unknown(LookupError::Malformed)), "{unsaid:?}");
    assert!(
        matches!((&absent, &unsupported), (Prepared::Withhold(None), Prepared::Withhold(None))),
        "{absent:?} {unsupported:?}"
    );
    assert_eq!(delivered(Run::new([]).prepare(&live, audit).await), audit);
}

const WITHIN: Duration = Duration::from_secs(3);
const REPORT: &str =
    r#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"r-1"}}}"#;
const RUN: &str =
    r#"{"payload":{"resource_type":"workflow_run","action":"workflow_run.completed","object":{"id":"w-1"}}}"#;
