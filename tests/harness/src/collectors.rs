//! A collector that validates what it receives: Seq's format, and OpenTelemetry's logs and spans in protobuf.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what is sent in another format fails the test"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message;
use serde_json::Value;

/// A collector that accepts events and spans, or is down.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_down: bool,
    events: Vec<Event>,
    spans: Vec<Span>,
    keys: Vec<String>,
}

/// A log event in either format.
#[derive(Clone, Debug)]
pub struct Event {
    /// The message.
    pub message: String,
    /// The field `request_id`, if any.
    pub request_id: String,
    /// The trace id, in hexadecimal.
    pub trace_id: String,
}

/// A span.
#[derive(Clone, Debug)]
pub struct Span {
    /// The name.
    pub name: String,
    /// The trace id, in hexadecimal.
    pub trace_id: String,
    /// The span id, in hexadecimal.
    pub id: String,
    /// The id of the parent span, in hexadecimal.
    pub parent: String,
    /// The attributes.
    pub attributes: Vec<(String, String)>,
}

// === impl Collector ===

impl Collector {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let router = Router::new().fallback(take).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared }
    }

    /// The URL `http://…`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Switches between 503 for every request and accepting everything.
    pub fn set_down(&self, is_down: bool) {
        self.shared.lock().unwrap().is_down = is_down;
    }

    /// The log events so far.
    pub fn events(&self) -> Vec<Event> {
        self.shared.lock().unwrap().events.clone()
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.shared.lock().unwrap().spans.clone()
    }

    /// The API keys of the received requests.
    pub fn keys(&self) -> Vec<String> {
        self.shared.lock().unwrap().keys.clone()
    }
}

async fn take(
    State(shared): State<Arc<Mutex<Shared>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let mut shared = shared.lock().unwrap();
    if shared.is_down {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let content_type = headers["content-type"].to_str().unwrap();
    shared.keys.extend(headers.get("x-seq-apikey").map(|key| key.to_str().unwrap().to_owned()));
    match uri.path() {
        "/api/events/raw" => {
            assert_eq!(content_type, "application/vnd.serilog.clef; charset=utf-8");
            shared.events.extend(std::str::from_utf8(&body).unwrap().lines().map(clef));
        }
        "/v1/logs" | "/ingest/otlp/v1/logs" => {
            assert_eq!(content_type, "application/x-protobuf");
            shared.events.extend(logs(&body));
        }
        "/v1/traces" => {
            assert_eq!(content_type, "application/x-protobuf");
            shared.spans.extend(spans(&body));
        }
        other => panic!("a collector has no {other}"),
    }
    StatusCode::CREATED
}

fn clef(line: &str) -> Event {
    let event: Value = serde_json::from_str(line).unwrap();
    assert!(humantime::parse_rfc3339(event["@t"].as_str().unwrap()).is_ok(), "{line}");
    assert_eq!(event["Application"], "kyc-gateway");
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    assert!(["Error", "Warning", "Information", "Debug", "Verbose"].contains(&text("@l").as_str()), "{line}");
    Event { message: text("@m"), request_id: text("request_id"), trace_id: text("@tr") }
}

fn logs(body: &[u8]) -> Vec<Event> {
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let [resource] = request.resource_logs.as_slice() else { panic!("one process is one resource") };
    assert_eq!(text(&resource.resource.as_ref().unwrap().attributes, "service.name"), "kyc-gateway");
    let records = resource.scope_logs.iter().flat_map(|scope| &scope.log_records);
    records
        .map(|record| {
            assert!(record.time_unix_nano > 1_700_000_000_000_000_000);
            let message = match record.body.as_ref().and_then(|body| body.value.as_ref()) {
                Some(Any::StringValue(text)) => text.clone(),
                _ => String::new(),
            };
            Event {
                message,
                request_id: text(&record.attributes, "request_id"),
                trace_id: hex(&record.trace_id),
            }
        })
        .collect()
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let resources = request.resource_spans.iter();
    let spans = resources.flat_map(|resource| {
        assert_eq!(text(&resource.resource.as_ref().unwrap().attributes, "service.name"), "kyc-gateway");
        resource.scope_spans.iter().flat_map(|scope| &scope.spans)
    });
    spans
        .map(|span| {
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
            let names = span.attributes.iter().map(|attribute| attribute.key.clone());
            Span {
                name: span.name.clone(),
                trace_id: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                attributes: names.map(|name| (name.clone(), text(&span.attributes, &name))).collect(),
            }
        })
        .collect()
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
