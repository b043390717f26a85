//! Requests of HTTP/2 that client libraries do not send.

use kyc_harness::frames::{CONTINUATION, END_HEADERS, HEADERS, PRIORITY};

use crate::case::{Case, Group, OK, frames, write};
use crate::script::{Act, Step, StreamEnd};

pub(super) fn group() -> Group {
    let cases = [heads(), targets(), bodies()].concat();
    Group { title: "Frames of HTTP/2", cases }
}

fn heads() -> Vec<Case> {
    vec![
        frames("the same as frames", &[]),
        frames("`connection: close` over HTTP/2", &[("connection", "close")]),
        frames("`connection: x-hop` over HTTP/2", &[("connection", "x-hop"), ("x-hop", "1")]),
        frames("`keep-alive` over HTTP/2", &[("keep-alive", "timeout=5")]),
        frames("`proxy-connection` over HTTP/2", &[("proxy-connection", "keep-alive")]),
        frames("`transfer-encoding: chunked` over HTTP/2", &[("transfer-encoding", "chunked")]),
        frames("`upgrade` over HTTP/2", &[("upgrade", "websocket")]),
        frames("`te: gzip` over HTTP/2", &[("te", "gzip")]),
        frames("field name in upper case", &[("X-Odd", "1")]),
        frames("field name with a space", &[("x odd", "1")]),
        frames("field name with a colon", &[("x:odd", "1")]),
        frames("empty field name over HTTP/2", &[("", "1")]),
        frames("value with a leading space", &[("x-odd", " 1")]),
        frames("value with a line feed", &[("x-odd", "1\nx-more: 2")]),
        frames("value with CRLF", &[("x-odd", "1\r\nx-more: 2")]),
        frames("value with NUL", &[("x-odd", "1\0b")]),
        frames("unknown pseudo-header field", &[(":odd", "1")]),
        frames("`content-length: 5` without a body", &[("content-length", "5")]),
        frames(
            "two different `content-length` over HTTP/2",
            &[("content-length", "0"), ("content-length", "5")],
        ),
        frames("`host` that differs from `:authority`", &[("host", "other.test")]),
        frames("two `cookie` fields", &[("cookie", "a=1"), ("cookie", "b=2")]),
    ]
}

fn targets() -> Vec<Case> {
    vec![
        frames("no `:authority`, and `host`", &[("host", "gateway.test")]).without(":authority"),
        frames("neither `:authority` nor `host`", &[]).without(":authority"),
        frames("no `:path`", &[]).without(":path"),
        frames("no `:scheme`", &[]).without(":scheme"),
        frames("no `:method`", &[]).without(":method"),
        frames("two `:path`", &[(":path", "/dcs/kyc2/applicants/1"), (":path", "/dcs/kyc2/applicants/2")]),
        frames("empty `:path`", &[(":path", "")]),
        frames("`:path` without a slash", &[(":path", "dcs/kyc2/applicants/1")]),
        frames("`:path` with a fragment", &[(":path", "/dcs/kyc2/applicants/1#part")]),
        frames("`:path` with a space", &[(":path", "/dcs/kyc2/applicants/1 HTTP/1.1")]),
        frames("`:path` with CRLF", &[(":path", "/dcs/kyc2/applicants/1\r\nx-more: 2")]),
        frames("`:path` with a URI", &[(":path", "https://gateway.test/dcs/kyc2/applicants/1")]),
        frames("`OPTIONS *` over HTTP/2", &[(":method", "OPTIONS"), (":path", "*")]),
        frames("`:method` with a space", &[(":method", "GET /x HTTP/1.1")]),
        frames("`:scheme` http over TLS", &[(":scheme", "http")]),
        frames("`TRACE` over HTTP/2", &[(":method", "TRACE")]),
        frames("`CONNECT` over HTTP/2", &[(":method", "CONNECT"), (":authority", "other.test:443")])
            .without(":scheme")
            .without(":path"),
    ]
}

fn bodies() -> Vec<Case> {
    let upload = |name: &'static str, acts: &[Act]| {
        let acts = [&[Act::Data("hello"), Act::Until("hello")], acts].concat();
        let steps = [Step::Bytes(5), Step::Mark("hello"), Step::Body, write(OK)];
        frames(name, &[(":method", "POST"), (":path", "/dcs/kyc2/applicants")])
            .open()
            .then(&acts)
            .plays(&steps)
    };
    let field = b"\x00\x03x-a\x011";
    vec![
        upload("trailers with a pseudo-header field", &[Act::Trailers(&[(":path", "/x")])]),
        upload("trailers with `connection`", &[Act::Trailers(&[("connection", "close")])]),
        upload("trailers with `content-length`", &[Act::Trailers(&[("content-length", "5")])]),
        upload("trailers that do not end the stream", &[Act::Frame(HEADERS, END_HEADERS, field)]),
        upload("several empty DATA frames", &[Act::Data(""), Act::Data(""), Act::End]),
        upload(
            "PRIORITY between DATA frames",
            &[Act::Frame(PRIORITY, 0, b"\x00\x00\x00\x00\x10"), Act::Last("")],
        ),
        upload("CONTINUATION without HEADERS", &[Act::Frame(CONTINUATION, END_HEADERS, field)]),
        upload("DATA behind the end of the stream", &[Act::Last(""), Act::Until("body"), Act::Data("more")])
            .plays(&[
                Step::Bytes(5),
                Step::Mark("hello"),
                Step::Body,
                Step::Mark("body"),
                Step::Gone,
                write(OK),
            ]),
    ]
}

// === impl Case ===

impl Case {
    fn without(mut self, name: &str) -> Self {
        for act in &mut self.acts {
            if let Act::Headers(fields, _) = act {
                fields.retain(|(known, _)| *known != name);
            }
        }
        self
    }

    /// Leaves the stream open for a body.
    fn open(mut self) -> Self {
        for act in &mut self.acts {
            if let Act::Headers(_, end) = act {
                *end = StreamEnd::More;
            }
        }
        self
    }
}
