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

/// A collector that answers as it is told and keeps what it took.
#[derive(Clone)]
struct Collector {
    url: Url,
    state: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    status: Option<StatusCode>,
    /// Refuses batches with an event of this number.
    unwanted: Option<u64>,
    taken: Vec<u64>,
    calls: usize,
}

// === impl Collector ===

impl Collector {
    async fn start(encoding: Encoding) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
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
                    if state.unwanted.is_some_and(|unwanted| numbers.contains(&unwanted)) {
                        return StatusCode::BAD_REQUEST;
                    }
                    state.taken.extend(numbers);
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

    fn taken(&self) -> Vec<u64> {
        self.state.lock().unwrap().taken.clone()
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

async fn soon(mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_once_and_in_order() {
    for encoding in [Encoding::Clef, Encoding::Otlp] {
        let collector = Collector::start(encoding).await;
        let (exporter, metrics) = collector.exporter(encoding, 100_000);

        for number in 0..5500 {
            exporter.take(&line(number));
        }
        soon(|| collector.taken().len() == 5500).await;

        assert_eq!(collector.taken(), (0..5500).collect::<Vec<_>>());
        soon(|| metrics.waiting.get() == 0).await;
        assert_eq!((metrics.delivered.get(), metrics.dropped.get()), (5500, 0));
        assert!(collector.state.lock().unwrap().calls <= 7, "events go in batches");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_collector_does_not_get_is_counted_and_the_rest_keeps_its_order() {
    let collector = Collector::start(Encoding::Clef).await;
    collector.answer(Some(StatusCode::SERVICE_UNAVAILABLE));
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 2000);

    for number in 0..10_000 {
        exporter.take(&line(number));
    }
    soon(|| collector.state.lock().unwrap().calls > 1).await;
    assert_eq!((metrics.waiting.get(), metrics.dropped.get()), (2000, 8000), "memory is bounded");
    collector.answer(None);
    soon(|| collector.taken().len() == 2000).await;
    soon(|| metrics.waiting.get() == 0).await;
    exporter.take(&line(10_000));
    soon(|| collector.taken().len() == 2001).await;

    let taken = collector.taken();
    assert!(taken.is_sorted(), "in order");
    assert_eq!(metrics.dropped.get(), 10_001 - taken.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unwanted_event_takes_no_other_with_it() {
    let collector = Collector::start(Encoding::Clef).await;
    collector.state.lock().unwrap().unwanted = Some(617);
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 100_000);

    for number in 0..1000 {
        exporter.take(&line(number));
    }
    exporter.take(&[b"{\"message\":\"".to_vec(), vec![b'x'; 300_000], b"\"}\n".to_vec()].concat());
    soon(|| metrics.waiting.get() == 0).await;

    let expected: Vec<u64> = (0..1000).filter(|number| *number != 617).collect();
    assert_eq!(collector.taken(), expected);
    assert_eq!((metrics.delivered.get(), metrics.dropped.get()), (999, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_sends_what_is_there_and_waits_for_no_dead_collector() {
    let collector = Collector::start(Encoding::Clef).await;
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 100_000);
    exporter.take(&line(1));
    exporter.flush_out();
    assert_eq!(collector.taken(), [1]);

    exporter.take(&line(2));
    exporter.close();
    soon(|| collector.taken().len() == 2).await;
    exporter.take(&line(3));
    assert_eq!(metrics.dropped.get(), 1, "after the end nothing is taken");

    collector.answer(Some(StatusCode::FORBIDDEN));
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 100_000);
    for number in 0..3000 {
        exporter.take(&line(number));
    }
    exporter.close();
    soon(|| metrics.waiting.get() == 0).await;
    assert_eq!((metrics.delivered.get(), metrics.dropped.get()), (0, 3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_collector_gets_what_waits_for_the_one_before() {
    let (old, new) = (Collector::start(Encoding::Clef).await, Collector::start(Encoding::Clef).await);
    old.answer(Some(StatusCode::UNAUTHORIZED));
    let (exporter, metrics) = old.exporter(Encoding::Clef, 100_000);
    for number in 0..2500 {
        exporter.take(&line(number));
    }
    soon(|| old.state.lock().unwrap().calls > 0).await;

    exporter.change(new.settings(Encoding::Clef, 100_000));
    soon(|| new.taken().len() == 2500).await;

    assert!(new.taken().is_sorted() && old.taken().is_empty());
    assert_eq!(metrics.dropped.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_queue_does_not_wait_to_be_full() {
    let collector = Collector::start(Encoding::Clef).await;
    let (exporter, metrics) = collector.exporter(Encoding::Clef, 20);

    for number in 0..200 {
        exporter.take(&line(number));
        soon(|| metrics.waiting.get() < 20).await;
    }
    soon(|| metrics.waiting.get() == 0).await;

    assert_eq!((collector.taken().len(), metrics.dropped.get()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_wants_nothing_is_not_asked_about_each_event() {
    let collector = Collector::start(Encoding::Otlp).await;
    collector.answer(Some(StatusCode::NOT_FOUND));
    let (exporter, metrics) = collector.exporter(Encoding::Otlp, 100_000);

    for number in 0..10_000 {
        exporter.take(&line(number));
    }
    soon(|| metrics.waiting.get() == 0).await;

    let calls = collector.state.lock().unwrap().calls;
    assert_eq!((metrics.delivered.get(), metrics.dropped.get()), (0, 10_000));
    assert!(calls < 500, "{calls}");
}
