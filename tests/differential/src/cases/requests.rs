//! Requests that are odd or malformed: their framing, their targets, their heads.

use crate::case::{Case, Group, OK, get, post, raw, write};
use crate::script::{Act, Step};

pub(super) fn framing() -> Group {
    let framed = |name: &'static str, fields: &str, body: &str| {
        raw(name, &format!("POST /dcs/kyc2/applicants HTTP/1.1\r\n{{FIELDS}}{fields}\r\n{body}"))
    };
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    let cases = vec![
        framed(
            "both `Content-Length` and `Transfer-Encoding`",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            chunks,
        ),
        framed("two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        framed("two different lengths", "Content-Length: 5\r\nContent-Length: 3\r\n", "hello"),
        framed("length `5, 5`", "Content-Length: 5, 5\r\n", "hello"),
        framed("length `+5`", "Content-Length: +5\r\n", "hello"),
        framed("length `0x5`", "Content-Length: 0x5\r\n", "hello"),
        framed("coding `chunked, chunked`", "Transfer-Encoding: chunked, chunked\r\n", chunks),
        framed("coding `gzip, chunked`", "Transfer-Encoding: gzip, chunked\r\n", chunks),
        framed("coding `chunked, gzip`", "Transfer-Encoding: chunked, gzip\r\n", chunks),
        framed("coding `identity`", "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "hello"),
        framed("coding `xchunked`", "Transfer-Encoding: xchunked\r\n", chunks),
        framed("field `Content_Length`", "Content_Length: 5\r\n", ""),
        framed("no framing of a `POST`", "", ""),
        raw(
            "HTTP/1.0 with `Transfer-Encoding`",
            &format!(
                "POST /dcs/kyc2/applicants HTTP/1.0\r\n{{FIELDS}}Transfer-Encoding: chunked\r\n\r\n{chunks}"
            ),
        ),
        framed(
            "chunk size of a request that is no number",
            "Transfer-Encoding: chunked\r\n",
            "x\r\nhello\r\n0\r\n\r\n",
        ),
        framed(
            "line feed behind a chunk size of a request",
            "Transfer-Encoding: chunked\r\n",
            "5\nhello\r\n0\r\n\r\n",
        ),
        framed(
            "chunk of a request longer than its size",
            "Transfer-Encoding: chunked\r\n",
            "3\r\nhello\r\n0\r\n\r\n",
        ),
        framed(
            "trailer `Content-Length` of a request",
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        ),
    ];
    Group { title: "Framing of requests", cases }
}

pub(super) fn targets() -> Group {
    let line = |name: &'static str, line: &str| raw(name, &format!("{line}\r\n{{FIELDS}}\r\n"));
    let cases = vec![
        line("absolute form", "GET http://gateway.test{PATH} HTTP/1.1"),
        line("absolute form with another host", "GET http://other.test{PATH} HTTP/1.1"),
        line("`OPTIONS *`", "OPTIONS * HTTP/1.1"),
        raw("`OPTIONS *` with `Max-Forwards: 0`", "OPTIONS * HTTP/1.1\r\n{FIELDS}Max-Forwards: 0\r\n\r\n"),
        get("`OPTIONS` with `Max-Forwards: 0`").method("OPTIONS").fields(&[("Max-Forwards", "0")]),
        get("`OPTIONS` with `Max-Forwards: 5`").method("OPTIONS").fields(&[("Max-Forwards", "5")]),
        line("`TRACE`", "TRACE {PATH} HTTP/1.1"),
        raw("`CONNECT`", "CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n"),
        line("`GET *`", "GET * HTTP/1.1"),
        line("fragment in the target", "GET {PATH}#part HTTP/1.1"),
        line("`..` in the target", "GET /dcs/kyc2/a/../b HTTP/1.1"),
        line("`%2e%2e` in the target", "GET /dcs/kyc2/a/%2e%2e/b HTTP/1.1"),
        line("space in the target", "GET /dcs/kyc2/a b HTTP/1.1"),
        line("`//` in the target", "GET /dcs/kyc2//a HTTP/1.1"),
        line("unknown method", "BREW {PATH} HTTP/1.1"),
        line("method in lower case", "get {PATH} HTTP/1.1"),
        line("target of 20 kB", &format!("GET {{PATH}}?{} HTTP/1.1", "a".repeat(20_000))),
    ];
    Group { title: "Targets and methods", cases }
}

pub(super) fn heads() -> Group {
    let with = |name: &'static str, fields: &str| {
        raw(name, &format!("GET {{PATH}} HTTP/1.1\r\n{{FIELDS}}{fields}\r\n"))
    };
    let many: String = (0..300).map(|number| format!("X-Many: {number}\r\n")).collect();
    let large = format!("X-Many: {}\r\n", "a".repeat(7000)).repeat(10);
    let mut cases = vec![
        raw("no `Host`", "GET {PATH} HTTP/1.1\r\nSubscriptionId: {TENANT}\r\n\r\n"),
        raw("no `Host` in HTTP/1.0", "GET {PATH} HTTP/1.0\r\nSubscriptionId: {TENANT}\r\n\r\n"),
        with("two `Host`", "Host: other.test\r\n"),
        raw("HTTP/0.9", "GET {PATH}\r\n\r\n"),
        raw("HTTP/1.2 request", "GET {PATH} HTTP/1.2\r\n{FIELDS}\r\n"),
        raw("HTTP/2.0 request line", "GET {PATH} HTTP/2.0\r\n{FIELDS}\r\n"),
        raw("`http/1.1` in lower case", "GET {PATH} http/1.1\r\n{FIELDS}\r\n"),
        with("folded field of a request", "X-Fold: a\r\n b\r\n"),
        with("space before a colon of a request", "X-Odd : a\r\n"),
        with("line without a colon in a request", "odd\r\n"),
        with("NUL in a field of a request", "X-Odd: a\0b\r\n"),
        with("bare CR in a field of a request", "X-Odd: a\rb\r\n"),
        with("empty field name", ": a\r\n"),
        with("300 fields of a request", &many),
        with("head of a request of 70 kB", &large),
        raw("garbage", "\u{16}\u{3}\u{1}hello\r\n\r\n"),
        raw("head that does not end", "GET {PATH} HTTP/1.1\r\n{FIELDS}"),
        bytewise("head in segments of one byte", "GET {PATH} HTTP/1.1\r\n{FIELDS}\r\n"),
        bytewise(
            "`POST` in segments of one byte",
            "POST /dcs/kyc2/applicants HTTP/1.1\r\n{FIELDS}Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        )
        .then(&[Act::Until("hel"), Act::Bytewise("lo\r\n0\r\n\r\n".to_owned())])
        .plays(&[Step::Bytes(3), Step::Mark("hel"), Step::Body, write(OK)]),
    ];
    cases.push(line_feeds());
    cases.push(post("`Content-Type` twice").fields(&[("Content-Type", "a/b"), ("Content-Type", "c/d")]));
    Group { title: "Heads of requests", cases }
}

fn line_feeds() -> Case {
    raw(
        "line feeds in place of CRLF in a request",
        "GET {PATH} HTTP/1.1\nHost: gateway.test\nSubscriptionId: {TENANT}\n\n",
    )
}

fn bytewise(name: &'static str, text: &str) -> Case {
    let mut case = raw(name, "");
    case.acts = vec![Act::Bytewise(text.to_owned())];
    case
}
