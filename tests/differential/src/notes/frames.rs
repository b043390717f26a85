//! About frames of HTTP/2.

use super::note::Note;

pub(super) const NOTES: &[Note] = &[
    (
        &[
            "`connection: close` over HTTP/2",
            "`connection: x-hop` over HTTP/2",
            "`keep-alive` over HTTP/2",
            "`proxy-connection` over HTTP/2",
            "`transfer-encoding: chunked` over HTTP/2",
            "`upgrade` over HTTP/2",
            "`te: gzip` over HTTP/2",
        ],
        "A request with fields that are about one connection is malformed, a stream error (9113 §8.2.2, §8.1.1).",
    ),
    (
        &[
            "field name in upper case",
            "field name with a space",
            "field name with a colon",
            "value with a line feed",
            "value with CRLF",
            "value with NUL",
            "unknown pseudo-header field",
            "`:method` with a space",
        ],
        "The request is malformed (9113 §8.2.1, §8.3). 9113 §8.1.1 makes that a stream error; the gateway closes the connection.",
    ),
    (
        &["value with a leading space"],
        "9113 §8.2.1 calls the request malformed, and the gateway refuses it. The peers remove the space, and forward the field.",
    ),
    (
        &["`content-length: 5` without a body", "two different `content-length` over HTTP/2"],
        "The length is not that of the body, or not one: malformed (9113 §8.1.1).",
    ),
    (
        &["`host` that differs from `:authority`", "neither `:authority` nor `host`"],
        "9113 §8.3.1 recommends refusing a request with two hosts. The gateway wants one host in every version.",
    ),
    (&["two `cookie` fields"], "The gateway forwards no cookies to Onfido."),
    (
        &[
            "no `:path`",
            "no `:scheme`",
            "no `:method`",
            "two `:path`",
            "empty `:path`",
            "`:path` without a slash",
            "`:path` with a space",
            "`:path` with CRLF",
            "`:path` with a URI",
        ],
        "The request is malformed, a stream error (9113 §8.3.1, §8.1.1). nginx sends 400, which §8.1.1 allows before the error.",
    ),
    (
        &["`:path` with a fragment"],
        "A path has no fragment (9113 §8.3.1). The gateway and nginx do not forward it.",
    ),
    (&["`OPTIONS *` over HTTP/2", "`TRACE` over HTTP/2", "`CONNECT` over HTTP/2"], "As over HTTP/1.1."),
    (
        &[
            "trailers with a pseudo-header field",
            "trailers with `connection`",
            "trailers with `content-length`",
        ],
        "A pseudo-header field in trailers is malformed (9113 §8.1). The gateway discards trailers before anything reads them.",
    ),
    (&["trailers that do not end the stream"], "Malformed (9113 §8.1)."),
    (
        &["DATA behind the end of the stream", "CONTINUATION without HEADERS"],
        "A stream error or a connection error (9113 §5.1), and a connection error (§6.10).",
    ),
];
