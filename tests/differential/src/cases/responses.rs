//! Heads of responses that are old, odd or malformed.

use crate::case::{Case, Group, HTTP_1, get, write};
use crate::script::Step;

pub(super) fn group() -> Group {
    let many: String = (0..300).map(|number| format!("X-Many: {number}\r\n")).collect();
    let large = format!("X-Many: {}\r\n", "a".repeat(7000)).repeat(20);
    let cases = vec![
        odd("HTTP/1.0 response with a length", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        odd(
            "HTTP/1.0 response with `Connection: keep-alive`",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        ),
        get("HTTP/1.0 response until the connection ends").plays(&[
            Step::Body,
            write("HTTP/1.0 200 OK\r\n\r\nhello"),
            Step::Close,
        ]),
        odd(
            "HTTP/1.0 response that is chunked",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        odd("HTTP/1.2 response", "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        odd("HTTP/2.0 response", "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        odd("no reason phrase", "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"),
        odd("no space behind the status", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"),
        odd("status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello"),
        odd("status 600", "HTTP/1.1 600 Odd\r\nContent-Length: 5\r\n\r\nhello"),
        odd("unknown status 299", "HTTP/1.1 299 Odd\r\nContent-Length: 5\r\n\r\nhello"),
        get("no status line").plays(&[Step::Body, write("hello, caller\r\n\r\n"), Step::Close]),
        odd("line feeds in place of CRLF", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        odd("folded field", "HTTP/1.1 200 OK\r\nX-Fold: a\r\n b\r\nContent-Length: 5\r\n\r\nhello"),
        odd("space before a colon", "HTTP/1.1 200 OK\r\nX-Odd : a\r\nContent-Length: 5\r\n\r\nhello"),
        odd("line without a colon", "HTTP/1.1 200 OK\r\nodd\r\nContent-Length: 5\r\n\r\nhello"),
        odd("NUL in a field", "HTTP/1.1 200 OK\r\nX-Odd: a\0b\r\nContent-Length: 5\r\n\r\nhello"),
        odd("300 fields", &format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 5\r\n\r\nhello")),
        odd("head of 140 kB", &format!("HTTP/1.1 200 OK\r\n{large}Content-Length: 5\r\n\r\nhello")),
        get("head in many segments").plays(&[Step::Segments(vec![
            "HT",
            "TP/1.1 200",
            " OK\r",
            "\nContent-Le",
            "ngth:",
            " 5\r\n",
            "\r",
            "\nhe",
            "llo",
        ])]),
    ];
    Group { title: "Heads of responses", cases }
}

/// What the upstream sends is the same for every caller.
fn odd(name: &'static str, response: &str) -> Case {
    get(name).on(&HTTP_1).answered(response)
}
