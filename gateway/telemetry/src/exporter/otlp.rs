//! OpenTelemetry's log records in protobuf.

use std::time::UNIX_EPOCH;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::Value;

use super::line::{Line, ResourceAttributes};

/// Encodes all lines as one `ExportLogsServiceRequest`; returns no bytes for no lines.
pub(super) fn encode(lines: impl Iterator<Item = Line>, resource: &ResourceAttributes) -> Vec<u8> {
    let log_records: Vec<LogRecord> = lines.map(record).collect();
    if log_records.is_empty() {
        return Vec::new();
    }
    let scope = InstrumentationScope { name: NAME.to_owned(), ..InstrumentationScope::default() };
    let text = |(name, value): &(String, String)| attribute(name, Any::StringValue(value.clone()));
    let attributes = resource.attributes.iter().map(text).collect();
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_logs: vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    };
    request.encode_to_vec()
}

/// The number of rejected records in a 2xx response (`partial_success`).
pub(super) fn rejected(answer: &[u8]) -> usize {
    let partial = ExportLogsServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
    partial.and_then(|partial| usize::try_from(partial.rejected_log_records).ok()).unwrap_or_default()
}

fn record(line: Line) -> LogRecord {
    let time_unix_nano = humantime::parse_rfc3339(&line.timestamp)
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_nanos()).ok())
        .unwrap_or_default();
    let (severity_number, severity_text) = severity(&line.level);
    let id = |text: Option<String>| text.and_then(|text| hex::decode(text).ok()).unwrap_or_default();
    let mut attributes = vec![attribute("log.target", Any::StringValue(line.target))];
    attributes
        .extend(line.fields.into_iter().filter_map(|(name, value)| Some(attribute(&name, any(value)?))));
    LogRecord {
        time_unix_nano,
        observed_time_unix_nano: time_unix_nano,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(AnyValue { value: Some(Any::StringValue(line.message)) }),
        attributes,
        trace_id: id(line.trace_id),
        span_id: id(line.span_id),
        ..LogRecord::default()
    }
}

fn attribute(name: &str, value: Any) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn any(value: Value) -> Option<Any> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Any::BoolValue(value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Any::IntValue(whole),
            None => Any::DoubleValue(number.as_f64()?),
        },
        Value::String(text) => Any::StringValue(text),
        // Log lines have no arrays and no objects.
        Value::Array(_) | Value::Object(_) => Any::StringValue(value.to_string()),
    })
}

/// The severity number and text of a level: the smallest number of its range
/// (<https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>).
fn severity(level: &str) -> (i32, &'static str) {
    match level {
        "ERROR" => (17, "ERROR"),
        "WARN" => (13, "WARN"),
        "DEBUG" => (5, "DEBUG"),
        "TRACE" => (1, "TRACE"),
        _ => (9, "INFO"),
    }
}

/// The instrumentation scope.
const NAME: &str = "kyc-gateway";
