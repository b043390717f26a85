//! About requests and connections.

use super::note::Note;

pub(super) const NOTES: &[Note] = &[
    (
        &["body without a length", "empty body without a length"],
        "Chunks stay chunks. nginx sends a length if it has read the whole body.",
    ),
    (&["trailers of a request"], "Trailers may be discarded on the way (9110 §6.5.1)."),
    (
        &["body that is longer than its length", "body that is shorter than its length"],
        "The request is malformed: a stream error (9113 §8.1.1).",
    ),
    (
        &["body that stalls"],
        "A caller that is too slow gets 408 (9110 §15.5.9); over HTTP/2 it is the upstream's timeout that ends the exchange.",
    ),
    (
        &[
            "early 200 during an upload",
            "early 200 during a chunked upload",
            "early 413 during an upload",
            "early 413 during an upload, and the upstream closes",
        ],
        "The response is sent at once. A server that does not read the rest of the body closes the connection (9112 §9.3), which the \
         gateway announces. Over HTTP/2 only the stream ends (9113 §8.1). HAProxy forwards the rest.",
    ),
    (
        &["the upstream closes during an upload", "the upstream resets during an upload"],
        "502 (9110 §15.6.3). Over HTTP/1.1 the connection is closed, because the rest of the request body is not read (9112 §9.3).",
    ),
    (
        &[
            "the caller leaves before the response",
            "the caller leaves within the response",
            "the caller resets within the response",
            "the caller closes its direction behind the request",
        ],
        "The gateway closes the connection to the upstream as soon as the caller closes its own, even if only in one direction. nginx does \
         so, too; over HTTP/1 HAProxy waits for the response.",
    ),
    (
        &[
            "`Connection: Close, x`",
            "`Connection: X-Hop`",
            "`Connection: close, X-Hop`",
            "`Keep-Alive` in a request",
        ],
        "An intermediary removes `Connection`, the fields that it names, and the hop-by-hop fields (9110 §7.6.1). nginx and HAProxy forward \
         the named ones.",
    ),
    (
        &["the upstream limits the connection by `Keep-Alive`", "`Keep-Alive` in a response"],
        "`Keep-Alive` is about one connection (9110 §7.6.1). Nobody takes `max` into account.",
    ),
    (
        &[
            "`GET` on a kept connection that closes",
            "`HEAD` on a kept connection that closes",
            "`DELETE` on a kept connection that closes",
            "`PUT` on a kept connection that closes",
            "`GET` on a kept connection that closes within a head",
            "`GET` on a kept connection that is reset",
            "`PUT` on a kept connection that is reset within the body",
        ],
        "An idempotent request is repeated once, over a new connection (9110 §9.2.2, 9112 §9.3.1), also when a part of the body was \
         sent, if all of it fits the gateway's retry buffer (64 KiB). HAProxy closes the caller's connection.",
    ),
    (
        &[
            "`POST` without a body on a kept connection that closes",
            "`POST` on a kept connection that closes",
        ],
        "The upstream may have acted on it, so a proxy does not repeat it (9110 §9.2.2).",
    ),
    (
        &["`Proxy-Connection` in a request", "`Proxy-Connection` in a response"],
        "An intermediary removes it (9110 §7.6.1).",
    ),
    (
        &["`Proxy-Authorization` in a request", "`Proxy-Authenticate` in a response"],
        "Both are between a client and its proxy (9110 §11.7.1, §11.7.2), and the gateway is no proxy that the caller has chosen.",
    ),
    (
        &["`TE: trailers`", "`te: trailers` over HTTP/2"],
        "`TE` is about one connection (9110 §7.6.1, §10.1.4).",
    ),
    (
        &["`Upgrade: websocket`", "`Upgrade: h2c`"],
        "The gateway supports no other protocol, and refuses the request. 9110 §7.8 also permits ignoring the field.",
    ),
    (
        &["`Trailer` in a request", "`Trailer` in a response"],
        "It announces trailers, which the gateway discards (9110 §6.6.2).",
    ),
    (
        &["no `Via` in a request", "`Via` in a request", "`Via` in a response"],
        "A gateway must send `Via` in requests, and may send it in responses (9110 §7.6.3).",
    ),
    (
        &["`Connection: Host`", "`Connection: Content-Length`"],
        "`Connection` must not name fields that are meant for all recipients (9110 §7.6.1). The gateway refuses the names of fields on which \
         routing, framing or the tenant depend.",
    ),
    (
        &[
            "`Connection: X-Hop` in a response",
            "`Connection: Content-Length` in a response",
            "`Upgrade` in a response",
            "`TE` in a response",
            "426 with `Upgrade`",
        ],
        "An intermediary removes fields that are about one connection (9110 §7.6.1); over HTTP/2 they would be malformed (9113 §8.2.2).",
    ),
    (
        &["401 of the proxy: no tenant", "401 without `WWW-Authenticate`"],
        "The server that generates a 401 must send `WWW-Authenticate` (9110 §15.5.2).",
    ),
    (
        &["`OPTIONS` with `Max-Forwards: 0`", "`OPTIONS` with `Max-Forwards: 5`"],
        "An intermediary answers `OPTIONS` with 0 itself, and forwards a lower number than it received (9110 §7.6.2).",
    ),
    (&["both `Content-Length` and `Transfer-Encoding`"], "9112 §6.1 permits refusing it."),
    (&["two equal lengths", "length `5, 5`"], "9110 §8.6 permits refusing it."),
    (
        &["coding `chunked, chunked`", "coding `chunked, gzip`", "coding `identity`", "coding `xchunked`"],
        "The framing is invalid: 400 (9112 §6.3).",
    ),
    (
        &["coding `gzip, chunked`"],
        "The gateway sends 400 for every coding but chunked; 9112 §6.1 recommends 501 for one that a server does not understand.",
    ),
    (
        &["field `Content_Length`"],
        "Servers that put fields into variables (CGI) take it for `Content-Length`.",
    ),
    (&["HTTP/1.0 with `Transfer-Encoding`"], "The framing is faulty (9112 §6.1)."),
    (
        &["line feed behind a chunk size of a request", "trailer `Content-Length` of a request"],
        "The grammar of chunks has CRLF (9112 §7.1), and a trailer must not frame (9110 §6.5.1).",
    ),
    (
        &["absolute form", "absolute form with another host"],
        "The gateway accepts paths only. 9112 §3.2.2 requires that a server accepts the absolute form.",
    ),
    (
        &["`OPTIONS *`", "`OPTIONS *` with `Max-Forwards: 0`", "`GET *`"],
        "Routes are found by path, and every call is one of a tenant. `GET *` has no valid target (9112 §3.2.4).",
    ),
    (
        &["`TRACE`", "`CONNECT`"],
        "405 with `Allow` (9110 §15.5.6). `TRACE` would return the tenant's credential (§9.3.8), and the gateway opens no tunnels.",
    ),
    (
        &["fragment in the target", "`..` in the target", "`%2e%2e` in the target", "`//` in the target"],
        "A target has no fragment (9112 §3.2). Parsers disagree about `..`, and the operation that a tenant may call depends on the path.",
    ),
    (&["method in lower case"], "Methods are case-sensitive (9110 §9.1): `get` is an unknown one."),
    (
        &["target of 20 kB"],
        "9112 §3 recommends supporting at least 8,000 octets. The gateway's limit is 32 KiB for the head.",
    ),
    (
        &["no `Host`", "no `Host` in HTTP/1.0"],
        "Without `Host` a request of HTTP/1.1 is 400 (9112 §3.2). The gateway requires it of HTTP/1.0, too.",
    ),
    (
        &["HTTP/0.9", "HTTP/1.2 request", "HTTP/2.0 request line"],
        "The gateway takes HTTP/1.0 and HTTP/1.1. 9110 §6.2 recommends reading HTTP/1.2 as HTTP/1.1, and has 505 for other major versions.",
    ),
    (&["folded field of a request"], "9112 §5.2 lets a server answer 400, or replace the fold by spaces."),
    (
        &["line without a colon in a request", "NUL in a field of a request"],
        "Neither is in the grammar of a field (9112 §5, 9110 §5.5).",
    ),
    (&["300 fields of a request", "head of a request of 70 kB"], "431 (RFC 6585 §5) names the reason."),
    (&["head that does not end"], "408 (9110 §15.5.9) names the reason."),
    (
        &["line feeds in place of CRLF in a request"],
        "9112 §2.2 permits accepting a single line feed. A parser that does not, finds another end of the head.",
    ),
    (
        &["`Content-Type` twice"],
        "The field has one value (9110 §8.3), and recipients choose different ones of several.",
    ),
];
