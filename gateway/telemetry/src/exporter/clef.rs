//! Seq's compact log event format (CLEF).

use serde_json::{Map, Value};

use super::line::{Line, ResourceAttributes};

/// Encodes events as one JSON object per line.
pub(super) fn encode(lines: impl Iterator<Item = Line>, resource: &ResourceAttributes) -> Vec<u8> {
    let mut body = Vec::new();
    for line in lines {
        // Serializing a map of texts and numbers to memory does not fail.
        if serde_json::to_writer(&mut body, &event(line, resource)).is_ok() {
            body.push(b'\n');
        }
    }
    body
}

fn event(line: Line, resource: &ResourceAttributes) -> Map<String, Value> {
    let mut event = Map::new();
    let mut put = |name: &str, value: String| event.insert(name.to_owned(), Value::String(value));
    put("@t", line.timestamp);
    put("@l", level(&line.level).to_owned());
    put("@m", line.message);
    if let Some(trace) = line.trace_id {
        put("@tr", trace);
    }
    if let Some(span) = line.span_id {
        put("@sp", span);
    }
    // The names that Serilog's enrichers use.
    put("Application", resource.service().to_owned());
    put("SourceContext", line.target);
    for (name, value) in line.fields {
        // `@` marks the names of the format itself; CLEF escapes it in other names as `@@`.
        event.insert(if name.starts_with('@') { format!("@{name}") } else { name }, value);
    }
    event
}

/// Serilog's name of a level.
fn level(level: &str) -> &'static str {
    match level {
        "ERROR" => "Error",
        "WARN" => "Warning",
        "DEBUG" => "Debug",
        "TRACE" => "Verbose",
        _ => "Information",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_is_encoded_as_clef() {
        let line = r#"{"timestamp":"2026-11-24T10:09:28.000001Z","level":"WARN","target":"kyc_proxy","message":"slow",
            "request_id":"r","status":200,"@odd":true,"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331"}"#;
        let line: Line = serde_json::from_str(line).unwrap();

        let body = encode(
            std::iter::once(line),
            &ResourceAttributes { attributes: vec![("service.name".to_owned(), "kyc-gateway".to_owned())] },
        );

        let event: Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "@t": "2026-11-24T10:09:28.000001Z", "@l": "Warning", "@m": "slow",
            "@tr": "0af7651916cd43dd8448eb211c80319c", "@sp": "b7ad6b7169203331",
            "Application": "kyc-gateway", "SourceContext": "kyc_proxy",
            "request_id": "r", "status": 200, "@@odd": true,
        });
        assert_eq!(event, expected);
    }
}
