//! What a new check must be so that the tenant's webhook can be put into it in any case.

use http::header;
use kyc_plugin_api::{Problem, ProblemKind};
use pingora_http::RequestHeader;

/// Finds what stands in the way, as far as the head and the tenant tell.
pub(crate) fn obstacle(head: &RequestHeader, webhook_id: Option<&str>) -> Option<Problem> {
    let (kind, detail) = if webhook_id.is_none() {
        (ProblemKind::Forbidden, "the tenant has no webhookId, and webhook_ids of its checks are enforced")
    } else if is_encoded(head) {
        (ProblemKind::UnsupportedMediaType, "webhook_ids cannot be enforced in an encoded body")
    } else if !may_be_json(head) {
        (ProblemKind::UnsupportedMediaType, "webhook_ids cannot be enforced in a body that is not JSON")
    } else {
        return None;
    };
    Some(Problem::new(kind, detail))
}

/// The answer to a body that no ids can be put into: Onfido may read it in another way than the gateway does.
pub(crate) fn unreadable() -> Problem {
    Problem::new(ProblemKind::BadRequest, "webhook_ids cannot be enforced in a body that is no JSON object")
}

/// Says whether the body is compressed, so that it cannot be read as JSON.
pub(crate) fn is_encoded(head: &RequestHeader) -> bool {
    let codings = head.headers.get_all(header::CONTENT_ENCODING).iter();
    codings.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Says whether no type but JSON (RFC 8259, section 11; RFC 6839, section 3.1) is named. The body itself decides where
/// none is.
fn may_be_json(head: &RequestHeader) -> bool {
    head.headers.get_all(header::CONTENT_TYPE).iter().all(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        let essence = essence.trim_ascii().to_ascii_lowercase();
        !essence.contains(&b',') && (essence.ends_with(b"/json") || essence.ends_with(b"+json"))
    })
}

#[cfg(test)]
mod tests {
    use kyc_plugin_api::testkit;

    use super::*;

    #[test]
    fn only_json_in_plain_for_a_tenant_with_a_webhook_is_taken() {
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
            let found = obstacle(&head, Some("hook")).map(|problem| problem.kind());
            assert_eq!(found, expected, "{fields:?}");
        }
        let found = obstacle(&testkit::head("POST", "/checks", &[json]), None);
        assert_eq!(found.map(|problem| problem.kind()), Some(ProblemKind::Forbidden));
    }
}
