//! How the end of a response is declared.

use crate::case::{Group, get, write};
use crate::script::{Act, Step};

pub(super) fn group() -> Group {
    let ok = |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}");
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    let trailers = "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
    let cases = vec![
        get("chunked").answered(&ok(CHUNKED, chunks)),
        get("chunked, in many segments").plays(&[Step::Segments(vec![
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r",
            "\n",
            "5\r",
            "\nhel",
            "lo\r",
            "\n0\r\n",
            "\r\n",
        ])]),
        get("chunked with extensions").answered(&ok(CHUNKED, "5;a=\"b c\"\r\nhello\r\n0;end\r\n\r\n")),
        get("chunked with trailers").answered(&ok(CHUNKED, trailers)),
        get("chunked with trailers, the caller sends `TE: trailers`")
            .fields(&[("Connection", "TE"), ("TE", "trailers")])
            .on(&crate::case::HTTP_1)
            .answered(&ok(CHUNKED, trailers)),
        get("until the connection ends").plays(&[write(&ok("", "hello")), Step::Close]),
        get("until the connection ends, and it is reset")
            .then(&[Act::ResponseHead, Act::Mark("head")])
            .plays(&[write(&ok("", "hello")), Step::Until("head"), Step::Reset]),
        get("`Content-Length: 5, 5`").answered(&ok("Content-Length: 5, 5\r\n", "hello")),
        get("two equal `Content-Length`")
            .answered(&ok("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
        get("two different `Content-Length`")
            .answered(&ok("Content-Length: 5\r\nContent-Length: 3\r\n", "hello")),
        get("`Content-Length: +5`").answered(&ok("Content-Length: +5\r\n", "hello")),
        get("`Content-Length: -5`").answered(&ok("Content-Length: -5\r\n", "hello")),
        get("empty `Content-Length`").plays(&[
            Step::Body,
            write(&ok("Content-Length:\r\n", "hello")),
            Step::Close,
        ]),
        get("`Content-Length` and `Transfer-Encoding`")
            .answered(&ok(&format!("Content-Length: 3\r\n{CHUNKED}"), chunks)),
        get("`Transfer-Encoding: chunked, chunked`")
            .answered(&ok("Transfer-Encoding: chunked, chunked\r\n", chunks)),
        get("`Transfer-Encoding: gzip, chunked`")
            .answered(&ok("Transfer-Encoding: gzip, chunked\r\n", chunks)),
        get("`Transfer-Encoding: identity`").plays(&[
            Step::Body,
            write(&ok("Transfer-Encoding: identity\r\n", "hello")),
            Step::Close,
        ]),
        get("`Transfer-Encoding: Chunked`").answered(&ok("Transfer-Encoding: Chunked\r\n", chunks)),
        get("chunk size that is no number").answered(&ok(CHUNKED, "x\r\nhello\r\n0\r\n\r\n")),
        get("chunk size beyond 64 bits").answered(&ok(CHUNKED, "10000000000000005\r\nhello\r\n0\r\n\r\n")),
        get("chunk longer than its size").answered(&ok(CHUNKED, "3\r\nhello\r\n0\r\n\r\n")),
        get("line feed behind a chunk size").answered(&ok(CHUNKED, "5\nhello\r\n0\r\n\r\n")),
    ];
    Group { title: "Framing of responses", cases }
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
