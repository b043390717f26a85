//! About responses.

use super::note::Note;

pub(super) const NOTES: &[Note] = &[
    (
        &[
            "`Expect: 100-continue`, the upstream sends 100",
            "`Expect: 100-continue`, the upstream sends no 100",
            "`Expect: 100-continue`, the upstream refuses at once",
            "`Expect: 100-continue`, the upstream is silent",
            "`Expect: 100-continue` with a chunked body, the upstream sends 100",
            "`Expect: 100-continue`, and the body at once",
        ],
        "To its callers a gateway is an origin server (9110 §3.7). Over HTTP/1.1 it sends 100 itself (§10.1.1), as nginx does, and does not \
         forward the field. Over HTTP/2 it sends none, and answers 417 when the body has not begun after 1.5 s; the caller of this table \
         sends it after 1 s. HAProxy forwards the field, and leaves 100 to the upstream.",
    ),
    (&["`Expect: 100-continue` of HTTP/1.0"], "A server ignores the expectation of HTTP/1.0 (9110 §10.1.1)."),
    (
        &["`Expect` with another value"],
        "417 is what 9110 §10.1.1 allows. nginx ignores the value, HAProxy forwards it.",
    ),
    (
        &["100 that nobody asked for", "103 before 200", "two 103 before 200", "103, and then silence"],
        "A proxy forwards interim responses, but not to HTTP/1.0 (9110 §15.2). HAProxy sends them there, too. nginx 1.22 takes the first \
         one for the final response.",
    ),
    (
        &["103 that declares a body"],
        "A 1xx has no `Content-Length` (9110 §8.6) and ends with its head (§15.2). What comes behind one that declares a body has two \
         readings, so it is 502.",
    ),
    (
        &["101 that nobody asked for"],
        "A server switches only to a protocol that the request names in `Upgrade` (9110 §7.8), so the response is invalid.",
    ),
    (
        &["`HEAD`, the response is chunked", "304 with `Transfer-Encoding`"],
        "9112 §6.1 allows the field there: it says how the response to a `GET` would be framed.",
    ),
    (
        &[
            "204 with `Content-Length: 0`",
            "204 with `Content-Length: 5` and no body",
            "204 with `Content-Length: 5` and a body",
            "204 with `Transfer-Encoding` and no body",
            "204 with `Transfer-Encoding` and a body",
        ],
        "A 204 has neither field (9110 §8.6, 9112 §6.1): the gateway removes them. It does not use the upstream's connection again, on \
         which the declared body may follow.",
    ),
    (
        &["`HEAD`, the upstream sends the body", "304 with a body"],
        "These responses end with their head (9112 §6.3). A connection with surplus bytes is not used again.",
    ),
    (
        &["chunked with trailers", "chunked with trailers, the caller sends `TE: trailers`"],
        "Trailers may be discarded on the way (9110 §6.5.1). The gateway sends no `TE: trailers`, which would promise to keep them \
         (§10.1.4), and discards them as nginx does.",
    ),
    (
        &["until the connection ends"],
        "In chunks the caller sees whether the body is complete, which 9112 §6.3 recommends, and its connection stays open.",
    ),
    (
        &["until the connection ends, and it is reset"],
        "Such a body is complete when the connection ends, unless the connection indicates an error (9112 §8), as a reset does. In HTTP/1.0 \
         the gateway has only the end of the connection to tell of it. HAProxy takes the reset for the end.",
    ),
    (
        &["`Content-Length: 5, 5`", "two equal `Content-Length`"],
        "9110 §8.6 permits refusing the message, or sending one value. The gateway refuses it.",
    ),
    (
        &[
            "two different `Content-Length`",
            "`Content-Length: +5`",
            "`Content-Length: -5`",
            "empty `Content-Length`",
        ],
        "An invalid length is an unrecoverable error: 502, and the connection to the upstream is closed (9112 §6.3).",
    ),
    (
        &["`Content-Length` and `Transfer-Encoding`"],
        "9112 §6.3 lets `Transfer-Encoding` win, but says that such a message may be an attack, and ought to be handled as an error.",
    ),
    (
        &[
            "`Transfer-Encoding: chunked, chunked`",
            "`Transfer-Encoding: gzip, chunked`",
            "`Transfer-Encoding: identity`",
        ],
        "chunked must not be applied twice (9112 §6.1). The gateway sends no `TE`, so no other coding is acceptable (9110 §10.1.4).",
    ),
    (
        &[
            "chunk size that is no number",
            "chunk size beyond 64 bits",
            "chunk longer than its size",
            "line feed behind a chunk size",
        ],
        "The grammar of chunks has CRLF (9112 §7.1); the permission to accept a single line feed (§2.2) is about lines of the head. What \
         is malformed is 502, or cuts the response off where its head has been sent.",
    ),
    (
        &[
            "HTTP/1.0 response with a length",
            "HTTP/1.0 response with `Connection: keep-alive`",
            "HTTP/1.0 response until the connection ends",
        ],
        "An intermediary sends its own version (9112 §2.3).",
    ),
    (
        &["HTTP/1.0 response that is chunked"],
        "The framing of an HTTP/1.0 message with `Transfer-Encoding` is faulty (9112 §6.1).",
    ),
    (
        &["HTTP/1.2 response", "HTTP/2.0 response"],
        "The gateway takes HTTP/1.0 and HTTP/1.1. 9110 §6.2 recommends reading HTTP/1.2 as HTTP/1.1.",
    ),
    (&["status of two digits"], "A status has three digits (9112 §4)."),
    (&["no status line"], "nginx takes it for a response of HTTP/0.9."),
    (
        &["line feeds in place of CRLF"],
        "9112 §2.2 permits accepting a single line feed. A parser that does not, finds another end of the head.",
    ),
    (&["folded field"], "9112 §5.2 lets a gateway answer 502, or replace the fold by spaces."),
    (
        &["line without a colon", "NUL in a field"],
        "Neither is in the grammar of a field (9112 §5, 9110 §5.5). HAProxy forwards NUL.",
    ),
    (&["300 fields", "head of 140 kB"], "Each proxy has limits of its own: the gateway reads 256 fields."),
    (
        &[
            "`GET`: closes without a response",
            "`POST`: closes without a response",
            "`GET`: resets without a response",
            "closes within the head",
            "resets within the head",
        ],
        "502 in every version (9110 §15.6.3); over HTTP/2 HAProxy resets the stream.",
    ),
    (
        &[
            "closes within a body with a length",
            "resets within a body with a length",
            "closes within a chunk",
            "closes between two chunks",
            "closes before the end of the trailers",
            "stalls within a body",
        ],
        "What was received is sent, and then the response is cut off, so that the caller sees that it is incomplete (9112 §8); over HTTP/2 the \
         stream is reset. In HTTP/1.0 the end of the connection is also that of a body without a length. HAProxy ends a stream as if the \
         chunked response were complete.",
    ),
];
