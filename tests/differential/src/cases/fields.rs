//! Hop-by-hop fields, and fields about proxies.

use crate::case::{Case, Group, HTTP_1, ONLY_2, ONLY_11, get, raw};

pub(super) fn group() -> Group {
    Group { title: "Hop-by-hop fields", cases: [of_requests(), of_responses()].concat() }
}

fn of_requests() -> Vec<Case> {
    let with =
        |name: &'static str, fields: &[(&'static str, &'static str)]| get(name).fields(fields).on(&ONLY_11);
    vec![
        with("`Connection: X-Hop`", &[("Connection", "X-Hop"), ("X-Hop", "1"), ("X-End", "2")]),
        with("`Connection: close, X-Hop`", &[("Connection", "close, X-Hop"), ("X-Hop", "1")]),
        with("`Keep-Alive` in a request", &[("Connection", "Keep-Alive"), ("Keep-Alive", "timeout=5")]),
        with("`Proxy-Connection` in a request", &[("Proxy-Connection", "keep-alive")]),
        with("`Proxy-Authorization` in a request", &[("Proxy-Authorization", "Basic eDp5")]),
        with("`TE: trailers`", &[("Connection", "TE"), ("TE", "trailers")]),
        get("`te: trailers` over HTTP/2").fields(&[("te", "trailers")]).on(&ONLY_2),
        with("`TE: gzip` that `Connection` does not name", &[("TE", "gzip")]),
        with(
            "`Upgrade: websocket`",
            &[
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ],
        ),
        with(
            "`Upgrade: h2c`",
            &[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")],
        ),
        with("`Trailer` in a request", &[("Trailer", "X-Sum")]),
        get("no `Via` in a request").shown("via"),
        get("`Via` in a request").fields(&[("Via", "1.0 fred")]).shown("via"),
        get("`Max-Forwards: 0` of `GET`").fields(&[("Max-Forwards", "0")]).on(&ONLY_11),
        with("`Connection: Host`", &[("Connection", "Host")]),
        with("`Connection: Content-Length`", &[("Connection", "Content-Length")]),
    ]
}

fn of_responses() -> Vec<Case> {
    let with = |name: &'static str, fields: &str| {
        get(name).answered(&format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\n{{}}"))
    };
    vec![
        with("`Connection: X-Hop` in a response", "Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n"),
        with("`Keep-Alive` in a response", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"),
        with("`Proxy-Connection` in a response", "Proxy-Connection: keep-alive\r\n"),
        with("`Upgrade` in a response", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        with("`Trailer` in a response", "Trailer: X-Sum\r\n").on(&HTTP_1),
        with("`TE` in a response", "TE: trailers\r\n").on(&HTTP_1),
        with("`Via` in a response", "Via: 1.0 fred\r\n").shown("via"),
        with("`Proxy-Authenticate` in a response", "Proxy-Authenticate: Basic\r\n"),
        with("`Connection: Content-Length` in a response", "Connection: Content-Length\r\n").on(&HTTP_1),
        raw("401 of the proxy: no tenant", "GET {PATH} HTTP/1.1\r\nHost: gateway.test\r\n\r\n"),
        get("401 without `WWW-Authenticate`")
            .answered("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}"),
        get("426 with `Upgrade`").answered(
            "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: HTTP/3.0\r\nContent-Length: 2\r\n\r\n{}",
        ),
    ]
}
