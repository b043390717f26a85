//! Checks whether the gateway can enforce `webhook_ids` in the body of a new check.
//!
//! With `webhook_ids = "enforce"` the gateway refuses what it cannot change. If it forwarded such a body, Onfido could read
//! other ids in it, and send the tenant's results to a webhook of another tenant.

use http::{HeaderMap, header};
use kyc_plugin_api::{Problem, ProblemKind};
use pingora_http::RequestHeader;

/// Returns why `webhook_ids` cannot be enforced, as far as the request head and the tenant show it.
pub(crate) fn find_obstacle(head: &RequestHeader, webhook_id: Option<&str>) -> Option<Problem> {
    let (kind, detail) = if webhook_id.is_none() {
        (ProblemKind::Forbidden, "the tenant has no webhookId, and webhook_ids of its checks are enforced")
    } else if is_encoded(&head.headers) {
        (ProblemKind::UnsupportedMediaType, "webhook_ids cannot be enforced in a body with a content coding")
    } else if !may_be_json(&head.headers) {
        (ProblemKind::UnsupportedMediaType, "webhook_ids cannot be enforced in a body that is not JSON")
    } else {
        return None;
    };
    Some(Problem::new(kind, detail))
}

/// Builds the problem for a body that is not a JSON object: Onfido's parser may accept what the gateway's parser refuses.
pub(crate) fn not_an_object() -> Problem {
    Problem::new(
        ProblemKind::BadRequest,
        "webhook_ids cannot be enforced in a body that is not a JSON object",
    )
}

/// Returns whether the body has a content coding (RFC 9110 §8.4), such as gzip.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Returns whether every `Content-Type` is JSON (RFC 8259, section 11; RFC 6839, section 3.1). Without one, the JSON parser
/// decides.
pub(crate) fn may_be_json(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().all(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        let essence = essence.trim_ascii().to_ascii_lowercase();
        // A comma joins two media types, of which Onfido may use either.
        !essence.contains(&b',') && (essence.ends_with(b"/json") || essence.ends_with(b"+json"))
    })
}

#[cfg(test)]
mod tests {
    use kyc_plugin_api::testkit;

    use super::*;

    #[test]
    fn enforcement_needs_uncompressed_json_and_a_tenant_with_a_webhook_id() {
        let (json, refused) = (("Content-Type", "application/json"), Some(ProblemKind::UnsupportedMediaType));
        type Row<'a> = (&'a [(&'static str, &'a str)], Option<ProblemKind>);
        let rows: [Row<'_>; 10] = [
            (&[], None),
            (&[json], None),
            (&[("Content-Type", "Application/JSON ; charset=utf-8")], None),
            (&[("Content-Type", "application/vnd.api+json")], None),
            (&[json, ("Content-Encoding", "identity")], None),
            (&[json, ("Content-Encoding", "gzip")], refused),
            (&[("Content-Type", "application/x-www-form-urlencoded")], refused),
            (&[("Content-Type", "text/plain; x=application/json")], refused),
            (&[("Content-Type", "text/plain, application/json")], refused),
            (&[json, ("Content-Type", "text/plain")], refused),
        ];

        for (fields, expected) in rows {
            let head = testkit::head("POST", "/checks", fields);
            let found = find_obstacle(&head, Some("hook")).map(|problem| problem.kind());
            assert_eq!(found, expected, "{fields:?}");
        }
        let found = find_obstacle(&testkit::head("POST", "/checks", &[json]), None);
        assert_eq!(found.map(|problem| problem.kind()), Some(ProblemKind::Forbidden));
    }
}
