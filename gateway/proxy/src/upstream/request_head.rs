//! Turns the head from downstream into the head for the upstream.
//!
//! Fields are removed by a list of what must not go on, not passed by a list of what may: Onfido's API may gain fields that
//! the gateway does not know. What is on the list names the caller, authenticates it, or makes some server see another method
//! or path than the one that was checked.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri, Version, header};
use kyc_model::{Problem, ProblemKind, REQUEST_ID_HEADER, TraceContext};
use kyc_plugin_api::Target;
use pingora_http::RequestHeader;

use crate::hop_by_hop::{is_hop_by_hop, nominated};
use crate::request_parts::edit_parts;
use crate::strict::{equals_ignoring_separators, max_forwards};

/// Removes the fields that must not go on, `private_headers` among them, addresses the request to the target, and names the trace that
/// the upstream's work belongs to.
///
/// # Errors
///
/// [`ProblemKind::Internal`] when a plugin built a target that is no request target.
pub(crate) fn rewrite(
    head: &mut RequestHeader,
    target: &Target,
    body: Option<&Bytes>,
    request_id: HeaderValue,
    trace: Option<&TraceContext>,
    private_headers: &[HeaderName],
) -> Result<(), Problem> {
    edit_parts(head, |parts| {
        rewrite_parts(parts, target, body, request_id, private_headers)?;
        if let Some(trace) = trace {
            // Replaces the caller's.
            trace.write_to(&mut parts.headers);
        }
        Ok(())
    })
}

fn rewrite_parts(
    parts: &mut Parts,
    target: &Target,
    body: Option<&Bytes>,
    request_id: HeaderValue,
    private_headers: &[HeaderName],
) -> Result<(), Problem> {
    let internal = |what: &str| Problem::new(ProblemKind::Internal, format!("{what} cannot be set"));
    let fields = &mut parts.headers;
    // Validated before; a request with 0 is not forwarded.
    if let Ok(Some(left)) = max_forwards(&parts.method, fields) {
        fields.insert(header::MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
    for name in nominated(fields) {
        fields.remove(name);
    }
    // `retain` does not exist for `HeaderMap`, and most heads have none of these fields.
    while let Some(name) = fields
        .keys()
        .find(|name| must_not_be_forwarded(name) || is_for_this_hop(name) || private_headers.contains(name))
        .cloned()
    {
        fields.remove(name);
    }
    fields.insert(header::HOST, target.base.authority().clone());
    // Appended: `Via` names each hop (RFC 9110 §7.6.3).
    fields.append(header::VIA, HeaderValue::from_static(via(parts.version)));
    fields.insert(REQUEST_ID, request_id);
    // A buffered body may have been changed by a plugin, and `Transfer-Encoding` is gone.
    if let Some(body) = body {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    parts.method = target.method.clone();
    parts.uri = Uri::try_from(target.path_and_query.as_str()).map_err(|_| internal("the upstream path"))?;
    // The absolute form would name another host than that of the target.
    if parts.uri.authority().is_some() {
        return Err(internal("an upstream path that is none"));
    }
    Ok(())
}

/// Returns the entry of the gateway in `Via`: the version of HTTP that the request was received with (RFC 9110 §7.6.3), and its name.
fn via(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0 kyc-gateway",
        Version::HTTP_2 => "2 kyc-gateway",
        _ => "1.1 kyc-gateway",
    }
}

/// Attaches the credential, in the place of any other.
pub(crate) fn attach_credential(head: &mut RequestHeader, (name, value): (HeaderName, HeaderValue)) {
    edit_parts(head, |parts| parts.headers.insert(name, value));
}

/// Returns whether a field is hop-by-hop; the gateway sets the framing of the body itself.
fn is_for_this_hop(name: &HeaderName) -> bool {
    is_hop_by_hop(name) || *name == header::TRANSFER_ENCODING || name.as_str() == "http2-settings"
}

/// Returns whether a field authenticates or names the caller, or asks for another method or path than the one that was checked.
fn must_not_be_forwarded(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'a') => name == "authorization",
        Some(b'c') => name == "cookie",
        // The gateway answers it itself (RFC 9110 §10.1.1).
        Some(b'e') => name == "expect",
        Some(b'f') => name == "forwarded",
        Some(b'o') => name.starts_with("ocp-apim-"),
        Some(b'p') => name == "proxy-authorization",
        Some(b'x') => {
            is_method_override(name)
                || name.starts_with("x-forwarded-")
                || matches!(
                    name,
                    "x-real-ip" | "x-original-url" | "x-original-host" | "x-rewrite-url" | REQUEST_ID_HEADER
                )
        }
        Some(_) | None => false,
    }
}

/// Returns whether a field asks some server for another method, with any separators between its words: servers that put fields
/// into environment variables (CGI) read `X_HTTP_METHOD_OVERRIDE` as well.
fn is_method_override(name: &str) -> bool {
    METHOD_OVERRIDES.iter().any(|known| equals_ignoring_separators(name.as_bytes(), known.as_bytes()))
}

const METHOD_OVERRIDES: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-method", "x-method"];
const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::Method;
    use kyc_model::UpstreamBase;
    use kyc_plugin_api::{Timeouts, UpstreamLimits};

    use super::*;

    fn target() -> Target {
        let second = Duration::from_secs(1);
        Target {
            base: Arc::new(UpstreamBase::parse("https://api.eu.onfido.com/v3.6").unwrap()),
            method: Method::POST,
            path_and_query: "/v3.6/checks/?a=%41".to_owned(),
            credential: None,
            timeouts: Timeouts { connect: second, read: second, write: second, idle: second },
            limits: UpstreamLimits { in_flight: 1, failures: 1, open: second },
            operation: None,
        }
    }

    #[test]
    fn credentials_and_forwarding_fields_of_the_caller_are_not_forwarded() {
        let mut head = RequestHeader::build("POST", b"/dcs/kyc2/StartCheck", None).unwrap();
        let sent = [
            "Authorization",
            "Cookie",
            "Ocp-Apim-Subscription-Key",
            "X-Forwarded-For",
            "Forwarded",
            "X-Real-IP",
            "X-HTTP-Method-Override",
            "X-Rewrite-URL",
            "X-Secret-Of-A-Plugin",
            "X_HTTP_METHOD_OVERRIDE",
            "X.HTTP.Method.Override",
            "X-Original-Method",
        ];
        for name in sent {
            head.insert_header(name, "canary").unwrap();
        }
        head.insert_header("Accept", "application/json").unwrap();

        let private = [HeaderName::from_static("x-secret-of-a-plugin")];
        rewrite(&mut head, &target(), None, HeaderValue::from_static("id"), None, &private).unwrap();

        assert!(!head.headers.values().any(|value| value == "canary"));
        assert_eq!(head.headers["accept"], "application/json");
        assert_eq!(head.headers["host"], "api.eu.onfido.com");
        assert_eq!(head.headers["via"], "1.1 kyc-gateway");
        assert_eq!(head.raw_path(), b"/v3.6/checks/?a=%41");
    }

    #[test]
    fn buffered_body_gets_its_own_framing() {
        let mut head = RequestHeader::build("POST", b"/", None).unwrap();
        head.insert_header("Transfer-Encoding", "chunked").unwrap();
        head.insert_header("Expect", "100-continue").unwrap();

        let body = Bytes::from_static(b"{}");
        rewrite(&mut head, &target(), Some(&body), HeaderValue::from_static("id"), None, &[]).unwrap();

        assert_eq!(head.headers["content-length"], "2");
        assert!(!head.headers.contains_key("transfer-encoding") && !head.headers.contains_key("expect"));
    }
}
