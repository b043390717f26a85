//! Turns the downstream head into the upstream's.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use kyc_model::{Problem, ProblemKind};
use kyc_plugin_api::Target;
use pingora_http::RequestHeader;

/// Removes what belongs to the caller or the way here, and addresses the request to the target.
///
/// # Errors
///
/// [`ProblemKind::Internal`] when a plugin built a target that is no request target.
pub(crate) fn rewrite(
    head: &mut RequestHeader,
    target: &Target,
    body: Option<&Bytes>,
    request_id: HeaderValue,
) -> Result<(), Problem> {
    let internal = |what: &str| Problem::new(ProblemKind::Internal, format!("{what} cannot be set"));
    remove_foreign(head);
    head.set_method(target.method.clone());
    head.set_raw_path(target.path_and_query.as_bytes()).map_err(|_| internal("the upstream path"))?;
    head.insert_header(header::HOST, target.base.authority().clone()).map_err(|_| internal("Host"))?;
    head.append_header(header::VIA, HeaderValue::from_static(VIA)).map_err(|_| internal("Via"))?;
    head.insert_header(REQUEST_ID, request_id).map_err(|_| internal("X-Request-Id"))?;
    if let Some(body) = body {
        head.remove_header(&header::TRANSFER_ENCODING);
        head.remove_header(&header::EXPECT);
        head.insert_header(header::CONTENT_LENGTH, body.len()).map_err(|_| internal("Content-Length"))?;
    }
    Ok(())
}

/// No credential of the caller, and nothing that says who the caller is, goes on. One pass finds the few
/// fields that are there, instead of asking for each one that could be.
fn remove_foreign(head: &mut RequestHeader) {
    let foreign: Vec<HeaderName> = head.headers.keys().filter(|name| is_foreign(name)).cloned().collect();
    for name in &foreign {
        head.remove_header(name);
    }
}

fn is_foreign(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'a') => name == "authorization",
        Some(b'c') => name == "cookie",
        Some(b'f') => name == "forwarded",
        Some(b'o') => name.starts_with("ocp-apim-"),
        Some(b'p') => name == "proxy-authorization",
        Some(b'x') => {
            name.starts_with("x-forwarded-")
                || matches!(name, "x-real-ip" | "x-original-url" | "x-original-host" | "x-request-id")
        }
        Some(_) | None => false,
    }
}

/// The header that carries the request's id, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const VIA: &str = "1.1 kyc-gateway";

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::Method;
    use kyc_model::UpstreamBase;
    use kyc_plugin_api::Timeouts;

    use super::*;

    fn target() -> Target {
        let second = Duration::from_secs(1);
        Target {
            base: Arc::new(UpstreamBase::parse("https://api.eu.onfido.com/v3.6").unwrap()),
            method: Method::POST,
            path_and_query: "/v3.6/checks/?a=%41".to_owned(),
            credential: None,
            timeouts: Timeouts { connect: second, read: second, write: second, idle: second },
        }
    }

    #[test]
    fn nothing_of_the_caller_goes_on() {
        let mut head = RequestHeader::build("POST", b"/dcs/kyc2/StartCheck", None).unwrap();
        let sent = [
            "Authorization",
            "Cookie",
            "Ocp-Apim-Subscription-Key",
            "X-Forwarded-For",
            "Forwarded",
            "X-Real-IP",
        ];
        for name in sent {
            head.insert_header(name, "canary").unwrap();
        }
        head.insert_header("Accept", "application/json").unwrap();

        rewrite(&mut head, &target(), None, HeaderValue::from_static("id")).unwrap();

        assert!(!head.headers.values().any(|value| value == "canary"));
        assert_eq!(head.headers["accept"], "application/json");
        assert_eq!(head.headers["host"], "api.eu.onfido.com");
        assert_eq!(head.headers["via"], VIA);
        assert_eq!(head.raw_path(), b"/v3.6/checks/?a=%41");
    }

    #[test]
    fn a_buffered_body_gets_its_own_framing() {
        let mut head = RequestHeader::build("POST", b"/", None).unwrap();
        head.insert_header("Transfer-Encoding", "chunked").unwrap();
        head.insert_header("Expect", "100-continue").unwrap();

        rewrite(&mut head, &target(), Some(&Bytes::from_static(b"{}")), HeaderValue::from_static("id"))
            .unwrap();

        assert_eq!(head.headers["content-length"], "2");
        assert!(!head.headers.contains_key("transfer-encoding") && !head.headers.contains_key("expect"));
    }
}
