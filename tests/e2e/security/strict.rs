//! Ambiguous requests are refused before anything is forwarded to the upstream.

use kyc_harness::certificates::Authority;

use crate::support::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, fields, frame};
use crate::support::gateway::{Setup, start};
use crate::support::raw::{Recorder, send, status};

/// A request with the usual fields, and `extra` ones.
fn request(line: &str, extra: &str) -> Vec<u8> {
    format!("{line}\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\n{extra}\r\n").into_bytes()
}

fn get(target: &str) -> Vec<u8> {
    request(&format!("GET {target} HTTP/1.1"), "")
}

fn post(extra: &str) -> Vec<u8> {
    request("POST /dcs/kyc2/applicants HTTP/1.1", extra)
}

/// Each row: what is wrong, the bytes, the status.
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn rows() -> Vec<(&'static str, Vec<u8>, u16)> {
    let body = "{}";
    let bare = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "Content-Length with Transfer-Encoding",
            post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        (
            "Transfer-Encoding with Content-Length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
            400,
        ),
        (
            "Content-Length twice, alike",
            post(&format!("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{body}")),
            400,
        ),
        ("Content-Length twice, different", post("Content-Length: 2\r\nContent-Length: 3\r\n"), 400),
        ("Content-Length as a list", post("Content-Length: 2, 2\r\n"), 400),
        ("Content-Length with a sign", post("Content-Length: +2\r\n"), 400),
        ("Content-Length in hex", post("Content-Length: 0x2\r\n"), 400),
        ("Content-Length empty", post("Content-Length:\r\n"), 400),
        ("Content-Length over 64 bits", post("Content-Length: 99999999999999999999\r\n"), 400),
        (
            "Transfer-Encoding twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        ("Transfer-Encoding unknown", post("Transfer-Encoding: xchunked\r\n"), 400),
        ("Transfer-Encoding as a list", post("Transfer-Encoding: gzip, chunked\r\n"), 400),
        ("Content_Length", post("Content_Length: 2\r\n"), 400),
        (
            "Transfer_Encoding beside the real one",
            post("Transfer_Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        ("Transfer--Encoding", post("Transfer--Encoding: chunked\r\n"), 400),
        ("Content-Type twice", post("Content-Type: application/json\r\nContent-Type: text/html\r\n"), 400),
        ("Host missing", bare("GET /dcs/kyc2/applicants HTTP/1.1\r\nSubscriptionId: sub-acme\r\n\r\n"), 400),
        (
            "Host missing in HTTP/1.0",
            bare("GET /dcs/kyc2/applicants HTTP/1.0\r\nSubscriptionId: sub-acme\r\n\r\n"),
            400,
        ),
        ("Host twice", request("GET /dcs/kyc2/applicants HTTP/1.1", "Host: other\r\n"), 400),
        ("NUL in the target", get("/dcs/kyc2/app\0licants"), 400),
        ("CR in the target", get("/dcs/kyc2/app\rlicants"), 400),
        ("space in the target", get("/dcs/kyc2/app licants"), 400),
        ("fragment in the target", get("/dcs/kyc2/applicants#/../admin"), 400),
        ("control byte in the target", get("/dcs/kyc2/app\x01licants"), 400),
        ("DEL in the target", get("/dcs/kyc2/app\x7flicants"), 400),
        ("NUL in a header", request("GET /dcs/kyc2/applicants HTTP/1.1", "X-A: a\0b\r\n"), 400),
        ("CR in a header", request("GET /dcs/kyc2/applicants HTTP/1.1", "X-A: a\rb\r\n"), 400),
        ("control byte in a header", request("GET /dcs/kyc2/applicants HTTP/1.1", "X-A: a\x01b\r\n"), 400),
        ("space before the colon", request("GET /dcs/kyc2/applicants HTTP/1.1", "X-A : b\r\n"), 400),
        ("folded header", request("GET /dcs/kyc2/applicants HTTP/1.1", "X-A: a\r\n b\r\n"), 400),
        (
            "bare line feed",
            bare("GET /dcs/kyc2/applicants HTTP/1.1\nHost: a\nSubscriptionId: sub-acme\n\n"),
            400,
        ),
        (
            "tenant header twice",
            request("GET /dcs/kyc2/applicants HTTP/1.1", "SubscriptionId: sub-globex\r\n"),
            400,
        ),
        (
            "tenant header as a list",
            bare(
                "GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: a\r\nSubscriptionId: sub-acme,sub-globex\r\n\r\n",
            ),
            400,
        ),
        ("path climbs", get("/dcs/kyc2/applicants/../../admin"), 400),
        ("path climbs, encoded", get("/dcs/kyc2/%2e%2e/admin"), 400),
        ("path climbs, half encoded", get("/dcs/kyc2/.%2E/admin"), 400),
        ("path hides a slash", get("/dcs/kyc2/applicants%2fadmin"), 400),
        ("path hides a backslash", get("/dcs/kyc2/applicants%5Cadmin"), 400),
        ("path is encoded twice", get("/dcs/kyc2/%252e%252e%252fadmin"), 400),
        ("path climbs, in overlong UTF-8", get("/dcs/kyc2/%c0%ae%c0%ae/admin"), 400),
        ("path hides NUL", get("/dcs/kyc2/applicants%00"), 400),
        ("absolute target", get("http://onfido/dcs/kyc2/applicants"), 400),
        (
            "header block over 32 KiB",
            request("GET /dcs/kyc2/applicants HTTP/1.1", &format!("X-A: {}\r\n", "a".repeat(33_000))),
            431,
        ),
        (
            "CONNECT",
            bare("CONNECT onfido:443 HTTP/1.1\r\nHost: onfido:443\r\nSubscriptionId: sub-acme\r\n\r\n"),
            405,
        ),
        ("TRACE", request("TRACE /dcs/kyc2/applicants HTTP/1.1", ""), 405),
        ("TRACE in lower case", request("trace /dcs/kyc2/applicants HTTP/1.1", ""), 405),
        (
            "upgrade to WebSocket",
            request("GET /dcs/kyc2/applicants HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
            400,
        ),
        (
            "upgrade to h2c",
            request(
                "GET /dcs/kyc2/applicants HTTP/1.1",
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
            ),
            400,
        ),
        (
            "Connection takes away the length",
            post("Connection: close, Content-Length\r\nContent-Length: 2\r\n"),
            400,
        ),
        ("OAuth token", request("POST /dcs/kyc2/oauth/token HTTP/1.1", "Content-Length: 0\r\n"), 403),
        (
            "OAuth token as JSON",
            request("POST /dcs/kyc2/oauth/token.json HTTP/1.1", "Content-Length: 0\r\n"),
            403,
        ),
        ("signing tokens", get("/dcs/kyc2/webhooks"), 403),
        (
            "signing token, by HEAD in lower case",
            request("head /dcs/kyc2/v3.6//WebHooks%20/1 HTTP/1.1", ""),
            403,
        ),
        (
            "webhook redirected",
            request("put /dcs/kyc2/webhooks.json/1 HTTP/1.1", "Content-Length: 0\r\n"),
            403,
        ),
        (
            "OAuth token in disguise",
            request("POST /dcs/kyc2/./O%61uth//token/ HTTP/1.1", "Content-Length: 0\r\n"),
            403,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_requests_are_refused_and_not_forwarded() {
    let upstream = Recorder::start().await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    let mut wrong = Vec::new();
    for (row, bytes, expected) in rows() {
        let answer = send(gateway.address(), &bytes).await;
        if status(&answer) != expected {
            wrong.push(format!("{row}: expected {expected}, got {answer:?}"));
        }
    }

    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(String::from_utf8_lossy(&upstream.bytes()), "", "the upstream saw something");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_request_on_a_connection_is_validated_like_the_first() {
    let upstream = Recorder::start().await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let first = crate::support::raw::exchange(&mut stream, &get("/dcs/kyc2/applicants")).await;
    let second = crate::support::raw::exchange(&mut stream, &get("/dcs/kyc2/app licants")).await;

    assert_eq!((status(&first), status(&second)), (200, 400));
    let seen = String::from_utf8_lossy(&upstream.bytes()).into_owned();
    assert_eq!(seen.matches("HTTP/1.1\r\n").count(), 1, "{seen}");
    gateway.stop().await;
}

/// Bytes in `:path` that HTTP/1 answers with 400. What the library finds malformed it resets itself; a fragment it drops, so that
/// the gateway and the upstream have one reading, which has none.
#[tokio::test(flavor = "multi_thread")]
async fn http2_paths_are_validated_strictly_and_fragments_dropped() {
    let (authority, upstream) = (Authority::new(), Recorder::start().await);
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().onfido(upstream.address).config(&listener)).await;
    let ask = async |path: &str| {
        let mut connection = Frames::connect(&authority, gateway.address()).await;
        let request = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", path),
            (":authority", "gateway.test"),
            ("subscriptionid", "sub-acme"),
        ];
        connection.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&request))).await;
        connection.status(1).await
    };

    let refused = [
        "/dcs/kyc2/app\0licants",
        "/dcs/kyc2/app\rlicants",
        "/dcs/kyc2/app licants",
        "/dcs/kyc2/app\x01licants",
        "/dcs/kyc2/app\x7flicants",
        "/dcs/kyc2/applic\u{e4}nts",
        "/dcs/kyc2/applicants\\admin",
        "/dcs/kyc2/applicants/../../admin",
        "/dcs/kyc2/%2e%2e/admin",
        "/dcs/kyc2/applicants%2fadmin",
        "/dcs/kyc2/applicants%00",
        "/dcs/kyc2/%c0%ae%c0%ae/admin",
        "https://onfido/dcs/kyc2/applicants",
        "dcs/kyc2/applicants",
    ];
    for path in refused {
        assert!(matches!(ask(path).await, None | Some(400 | 404)), "{path:?}");
    }
    assert_eq!(String::from_utf8_lossy(&upstream.bytes()), "", "the upstream saw something");
    assert_eq!(ask("/dcs/kyc2/applicants?a=1#/../../admin").await, Some(200));
    assert_eq!(ask("/dcs/kyc2/webhooks#applicants").await, None, "403 is not in the static table");
    let seen = String::from_utf8_lossy(&upstream.bytes()).into_owned();
    assert!(seen.starts_with("GET /v3.6/applicants?a=1 HTTP/1.1\r\n"), "{seen}");
    assert!(!seen.contains('#') && !seen.contains("admin") && !seen.contains("webhooks"), "{seen}");
    gateway.stop().await;
}

/// RFC 9113 §8.2.1: such a value is malformed. Another parser may see it without the whitespace.
#[tokio::test(flavor = "multi_thread")]
async fn http2_values_with_whitespace_around_them_are_refused() {
    let (authority, upstream) = (Authority::new(), Recorder::start().await);
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().onfido(upstream.address).config(&listener)).await;

    for (value, expected) in
        [(" a", 400), ("a ", 400), ("\ta", 400), ("a\t", 400), (" ", 400), ("a b", 200), ("", 200)]
    {
        let mut connection = Frames::connect(&authority, gateway.address()).await;
        let request = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/dcs/kyc2/applicants"),
            (":authority", "gateway.test"),
            ("subscriptionid", "sub-acme"),
            ("x-any", value),
        ];
        connection.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&request))).await;
        assert_eq!(connection.status(1).await, Some(expected), "{value:?}");
    }
    gateway.stop().await;
}

/// A percent-encoding is legal in a query (RFC 3986 §3.4), whatever it stands for.
#[tokio::test(flavor = "multi_thread")]
async fn encoded_control_characters_in_a_query_are_forwarded() {
    let upstream = Recorder::start().await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    for query in ["a=%0d%0aX:%20b", "a=%00", "a=%7f%1b", "%09=%c0%af"] {
        let answer = send(gateway.address(), &get(&format!("/dcs/kyc2/applicants?{query}"))).await;
        assert_eq!(status(&answer), 200, "{query}: {answer}");
        let seen = String::from_utf8_lossy(&upstream.bytes()).into_owned();
        assert!(seen.contains(&format!("GET /v3.6/applicants?{query} HTTP/1.1\r\n")), "{seen}");
    }
    gateway.stop().await;
}
