//! Responses without a body, whatever their fields say.

use crate::case::{Case, Group, get};

pub(super) fn group() -> Group {
    let cases = vec![
        head("`HEAD`, the response has a length").answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        head("`HEAD`, the response is chunked")
            .answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        head("`HEAD`, the response has no framing").answered("HTTP/1.1 200 OK\r\n\r\n"),
        head("`HEAD`, the upstream sends the body")
            .answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        get("204").answered("HTTP/1.1 204 No Content\r\n\r\n"),
        get("204 with `Content-Length: 0`").answered("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        get("204 with `Content-Length: 5` and no body")
            .answered("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
        get("204 with `Content-Length: 5` and a body")
            .answered("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
        get("204 with `Transfer-Encoding` and no body")
            .answered("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
        get("204 with `Transfer-Encoding` and a body")
            .answered("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        get("205 with a body").answered("HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello"),
        get("304 with `Content-Length: 5`")
            .answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        get("304 with `Transfer-Encoding`")
            .answered("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
        get("304 with a body").answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
    ];
    Group { title: "Responses without a body", cases }
}

fn head(name: &'static str) -> Case {
    get(name).method("HEAD")
}
