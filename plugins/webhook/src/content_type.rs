//! Checks that a request declares its body as JSON, or declares nothing.

use http::header::CONTENT_TYPE;
use kyc_plugin_api::{Problem, ProblemKind, Result};
use pingora_http::RequestHeader;

/// Accepts a JSON media type, and a request without `Content-Type`: the JSON parser decides about that body.
///
/// # Errors
///
/// [`ProblemKind::UnsupportedMediaType`] for any other media type, and for a repeated `Content-Type`.
pub(crate) fn require_json(head: &RequestHeader) -> Result<()> {
    let mut values = head.headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (values.next(), values.next());
    let json = match (first, second) {
        (None, _) => true,
        (Some(value), None) => value.to_str().is_ok_and(is_json),
        (Some(_), Some(_)) => false,
    };
    if json {
        Ok(())
    } else {
        Err(Problem::new(ProblemKind::UnsupportedMediaType, "notification is not JSON"))
    }
}

fn is_json(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some(("application", "json")) => true,
        Some((kind, subtype)) => {
            !kind.is_empty() && subtype.len() > SUFFIX.len() && subtype.ends_with(SUFFIX)
        }
        None => false,
    }
}

/// The structured syntax suffix of JSON formats (RFC 6839 §3.1).
const SUFFIX: &str = "+json";

#[cfg(test)]
mod tests {
    use kyc_plugin_api::testkit::head;

    use super::require_json;

    #[test]
    fn json_media_types_are_accepted_in_any_case() {
        for value in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
            let head = head("POST", "/", &[("content-type", value)]);

            assert!(require_json(&head).is_ok(), "{value}");
        }
        assert!(require_json(&head("POST", "/", &[])).is_ok());
    }

    #[test]
    fn other_media_types_are_refused() {
        for value in
            ["text/plain", "application/jsonx", "application/+json", "json", "", "text/html; a=+json"]
        {
            let head = head("POST", "/", &[("content-type", value)]);

            assert!(require_json(&head).is_err(), "{value}");
        }
        let twice =
            head("POST", "/", &[("content-type", "application/json"), ("content-type", "text/plain")]);
        assert!(require_json(&twice).is_err());
    }
}
