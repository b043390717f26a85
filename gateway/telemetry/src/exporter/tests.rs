use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use url::Url;

use super::{Encoding, ExportSettings, Exporter};
use crate::metrics::{ExportMetrics, Metrics};

/// A collector with scripted responses that records the events that it accepted.
#[derive(Clone)]
struct Collector {
    url: Url,
    state: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    status: Option<StatusCode>,
    /// The collector refuses batches that contain the event with this number.
    refused: Option<u64>,
    accepted: Vec<u64>,
    calls: usize,
}

// === impl Collector ===

impl Collector {
    async fn start(encoding: Encoding) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let state = Arc::new(Mutex::new(Shared::default()));
        let router = Router::new()
            .fallback(
                move |State(state): State<Arc<Mutex<Shared>>>, headers: HeaderMap, body: Bytes| async move {
                    let numbers = match encoding {
                        Encoding::Clef => clef(&headers, &body),
                        Encoding::Otlp => otlp(&headers, &body),
                    };
                    let mut state = state.lock().unwrap();
                    state.calls += 1;
                    if let Some(status) = state.status {
                        return status;
                    }
                    if state.refused.is_some_and(|refused| numbers.contains(&refused)) {
                        return StatusCode::BAD_REQUEST;
                    }
                    state.accepted.extend(numbers);
                    StatusCode::CREATED
                },
            )
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/events", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    fn answer(&self, status: Option<StatusCode>) {
        self.state.lock().unwrap().status = status;
    }

    fn accepted(&self) -> Vec<u64> {
        self.state.lock().unwrap().accepted.clone()
    }

    fn exporter(&self, encoding: Encoding, max_events: usize) -> (Exporter, ExportMetrics) {
        let metrics = Metrics::new().unwrap().collector("seq");
        (Exporter::start(self.settings(encoding, max_events), metrics.clone()).unwrap(), metrics)
    }

    fn settings(&self, encoding: Encoding, max_events: usize) -> ExportSettings {
        ExportSettings {
            name: "seq",
            url: self.url.clone(),
            headers: [("x-seq-apikey".parse().unwrap(), "key".parse().unwrap())].into_iter().collect(),
            encoding,
            max_events,
        }
    }
}

fn clef(headers: &HeaderMap, body: &[u8]) -> Vec<u64> {
    assert_eq!(headers["content-type"], "application/vnd.serilog.clef; charset=utf-8");
    assert_eq!(headers["x-seq-apikey"], "key");
    let events = std::str::from_utf8(body).unwrap().lines();
    let events = events.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events
        .map(|event| {
            assert!(humantime::parse_rfc3339(event["@t"].as_str().unwrap()).is_ok());
            assert_eq!((event["@m"].as_str(), event["@l"].as_str()), (Some("said"), Some("Information")));
            event["number"].as_u64().unwrap()
        })
        .collect()
}

fn otlp(headers: &HeaderMap, body: &[u8]) -> Vec<u64> {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let resource = request.resource_logs[0].resource.as_ref().unwrap();
    assert!(resource.attributes.iter().any(|attribute| attribute.key == "service.name"));
    let records = &request.resource_logs[0].scope_logs[0].log_records;
    records
        .iter()
        .map(|record| {
            assert_eq!((record.severity_number, record.time_unix_nano), (9, 1_764_000_000_000_001_000));
            let number = record.attributes.iter().find(|attribute| attribute.key == "number").unwrap();
            match number.value.as_ref().unwrap().value {
                Some(opentelemetry_proto::tonic::common::v1::any_value::Value::IntValue(number)) => {
                    u64::try_from(number).unwrap()
                }
                _ => panic!("no number"),
            }
        })
        .collect()
}

fn line(number: u64) -> Vec<u8> {
    format!(
        "{{\"timestamp\":\"2025-11-24T16:00:00.000001Z\",\"level\":\"INFO\",\"target\":\"t\",\"message\":\"said\",\"number\":{number}}}\n"
    )
    .into_bytes()
}

async fn wait_until(mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_once_and_in_order() {
    for encoding in [Encoding::Clef, Encoding::Otlp] {
        let collector = Collector::start(encoding).await;
        let (exporter, metrics) = collector.exporter(encoding, 100_000);

        for number in 0..5500 {
            exporter.push(&line(number));
        }
        wait_until(|| collector.accepted().len() == 5500).await;

        assert_eq!(collector.accepted(), (0..5500).collect::<Vec<_>>());
        wait_until(|| metrics.waiting.get() == 0).await;
        assert_eq!((metrics.delivered.get(), metrics.dropped.get()), (5500, 0));
        assert!(collector.state.lock().unwrap().calls <= 7, "events go in batches");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_beyond_the_queue_are_counted_as_dropped_and_the_rest_keeps_its_order() {
    let collector = Collector::start(Encoding::Clef).await;
    collector.answer(Some(StatusCode::SERVICE_UNAVAILABLE));
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 2000);

    for number in 0..10_000 {
        exporter.push(&line(number));
    }
    wait_until(|| collector.state.lock().unwrap().calls > 1).await;
    assert_eq!((metrics.waiting.get(), metrics.dropped.get()), (2000, 8000), "memory is bounded");
    collector.answer(None);
    wait_until(|| collector.accepted().len() == 2000).await;
    wait_until(|| metrics.waiting.get() == 0).await;
    exporter.push(&line(10_000));
    wait_until(|| collector.accepted().len() == 2001).await;

    let accepted = collector.accepted();
    assert!(accepted.is_sorted(), "in order");
    assert_eq!(metrics.dropped.get(), 10_001 - accepted.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_event_does_not_drop_the_rest_of_its_batch() {
    let collector = Collector::start(Encoding::Clef).await;
    collector.state.lock().unwrap().refused = Some(617);
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 100_000);

    for number in 0..1000 {
        exporter.push(&line(number));
    }
    exporter.push(&[b"{\"message\":\"".to_vec(), vec![b'x'; 300_000], b"\"}\n".to_vec()].concat());
    wait_until(|| metrics.waiting.get() == 0).await;

    let expected: Vec<u64> = (0..1000).filter(|number| *number != 617).collect();
    assert_eq!(collector.accepted(), expected);
    assert_eq!((metrics.delivered.get(), metrics.dropped.get()), (999, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn close_sends_queued_events_and_does_not_wait_for_an_unreachable_collector() {
    let collector = Collector::start(Encoding::Clef).await;
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 100_000);
    exporter.push(&line(1));
    exporter.wait_until_sent();
    assert_eq!(collector.accepted(), [1]);

    exporter.push(&line(2));
    exporter.close();
    wait_until(|| collector.accepted().len() == 2).await;
    exporter.push(&line(3));
    assert_eq!(metrics.dropped.get(), 1, "events after `close` are dropped");

    collector.answer(Some(StatusCode::FORBIDDEN));
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 100_000);
    for number in 0..3000 {
        exporter.push(&line(number));
    }
    exporter.close();
    wait_until(|| metrics.waiting.get() == 0).await;
    assert_eq!((metrics.delivered.get(), metrics.dropped.get()), (0, 3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_events_go_to_the_new_collector_after_a_change() {
    let (old, new) = (Collector::start(Encoding::Clef).await, Collector::start(Encoding::Clef).await);
    old.answer(Some(StatusCode::UNAUTHORIZED));
    let (exporter, metrics) = old.exporter(Encoding::Clef, 100_000);
    for number in 0..2500 {
        exporter.push(&line(number));
    }
    wait_until(|| old.state.lock().unwrap().calls > 0).await;

    exporter.change(new.settings(Encoding::Clef, 100_000));
    wait_until(|| new.accepted().len() == 2500).await;

    assert!(new.accepted().is_sorted() && old.accepted().is_empty());
    assert_eq!(metrics.dropped.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_queue_is_sent_before_it_is_full() {
    let collector = Collector::start(Encoding::Clef).await;
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 20);

    for number in 0..200 {
        exporter.push(&line(number));
        wait_until(|| metrics.waiting.get() < 20).await;
    }
    wait_until(|| metrics.waiting.get() == 0).await;

    assert_eq!((collector.accepted().len(), metrics.dropped.get()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_refuses_everything_does_not_get_each_event_alone() {
    let collector = Collector::start(Encoding::Otlp).await;
    collector.answer(Some(StatusCode::NOT_FOUND));
    let (exporter, metrics) = collector.exporter(Encoding::Otlp, 100_000);

    for number in 0..10_000 {
        exporter.push(&line(number));
    }
    wait_until(|| metrics.waiting.get() == 0).await;

    let calls = collector.state.lock().unwrap().calls;
    assert_eq!((metrics.delivered.get(), metrics.dropped.get()), (0, 10_000));
    assert!(calls < 500, "{calls}");
}
