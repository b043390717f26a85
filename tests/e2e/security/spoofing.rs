//! Attempts of a caller to reach another tenant, by fields, framing and HTTP/2.

use kyc_harness::certificates::Authority;

use crate::support::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, fields, frame};
use crate::support::gateway::{Setup, start};
use crate::support::raw::{Recorder, send, status};

/// The attempt, the header lines, and the expected status; with 200 the call must be forwarded as `acme`.
const ROWS: [(&str, &str, u16); 29] = [
    ("no id", "", 401),
    ("an empty id", "SubscriptionId:\r\n", 401),
    ("only blanks", "SubscriptionId: \t \r\n", 401),
    ("repeated, alike", "SubscriptionId: sub-acme\r\nSubscriptionId: sub-acme\r\n", 400),
    ("repeated, another last", "SubscriptionId: sub-acme\r\nSubscriptionId: sub-globex\r\n", 400),
    ("repeated, another first", "SubscriptionId: sub-globex\r\nSubscriptionId: sub-acme\r\n", 400),
    ("repeated in another case", "SubscriptionId: sub-acme\r\nsubscriptionid: sub-globex\r\n", 400),
    ("repeated, one empty", "SubscriptionId:\r\nSubscriptionId: sub-globex\r\n", 400),
    ("joined by a comma", "SubscriptionId: sub-acme,sub-globex\r\n", 400),
    ("joined by a comma and a blank", "SubscriptionId: sub-acme, sub-globex\r\n", 400),
    ("joined by a semicolon", "SubscriptionId: sub-acme;sub-globex\r\n", 401),
    ("in another case", "SubscriptionId: SUB-GLOBEX\r\n", 401),
    ("with one letter in another case", "SubscriptionId: Sub-globex\r\n", 401),
    ("in quotes", "SubscriptionId: \"sub-globex\"\r\n", 401),
    ("percent-encoded", "SubscriptionId: sub%2Dglobex\r\n", 401),
    ("percent-encoded letter", "SubscriptionId: %73ub-globex\r\n", 401),
    ("with a NUL", "SubscriptionId: sub-globex\0\r\n", 400),
    ("with a letter that looks alike", "SubscriptionId: sub-glob\u{435}x\r\n", 400),
    ("folded", "SubscriptionId: sub-acme\r\n sub-globex\r\n", 400),
    ("a blank before the colon", "SubscriptionId : sub-globex\r\n", 400),
    (
        "a blank before the colon, beside the good one",
        "SubscriptionId: sub-acme\r\nSubscriptionId : sub-globex\r\n",
        400,
    ),
    ("as a hop-by-hop field", "Connection: SubscriptionId\r\nSubscriptionId: sub-acme\r\n", 400),
    (
        "as a hop-by-hop field, in a list",
        "Connection: close, subscriptionid\r\nSubscriptionId: sub-acme\r\n",
        400,
    ),
    ("a prefix of an id", "SubscriptionId: sub-globe\r\n", 401),
    ("a resource id of nobody", "SubscriptionId: /subscriptions/sub-nobody\r\n", 401),
    (
        "another field beside the good one",
        "SubscriptionId: sub-acme\r\nX-SubscriptionId: sub-globex\r\n",
        200,
    ),
    ("an underscore beside the good one", "SubscriptionId: sub-acme\r\nSubscription_Id: sub-globex\r\n", 200),
    (
        "another credential beside the good one",
        "SubscriptionId: sub-acme\r\nAuthorization: Token token=token-globex\r\n",
        200,
    ),
    ("blanks around the good one", "SubscriptionId: \t sub-acme \t\r\n", 200),
];

/// Requests whose framing hides a second request with another tenant.
fn smuggled() -> Vec<(&'static str, String)> {
    let hidden = "GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-globex\r\n\r\n";
    let post = |fields: &str, body: &str| {
        format!(
            "POST /dcs/kyc2/applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\n{fields}\r\n{body}"
        )
    };
    let length = hidden.len();
    vec![
        (
            "CL.TE",
            post(
                &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", length + 5),
                &format!("0\r\n\r\n{hidden}"),
            ),
        ),
        (
            "TE.CL",
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                &format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n"),
            ),
        ),
        ("two lengths", post(&format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), hidden)),
        ("a length as a list", post(&format!("Content-Length: 0, {length}\r\n"), hidden)),
        (
            "a coding that is almost one",
            post(&format!("Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n"), hidden),
        ),
        (
            "a coding behind a tab",
            post("Transfer-Encoding:\tchunked\r\nTransfer-Encoding: identity\r\n", hidden),
        ),
        ("an upgrade", post("Connection: Upgrade\r\nUpgrade: websocket\r\n", hidden)),
        ("a bare line feed in a field", post(&format!("X: a\nContent-Length: {length}\r\n"), hidden)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn header_fields_do_not_reach_another_tenant() {
    for (what, fields, expected) in ROWS {
        let upstream = Recorder::start().await;
        let gateway = start(Setup::default().onfido(upstream.address)).await;
        for target in [
            "/dcs/kyc2/applicants",
            "/dcs/kyc2/applicants?SubscriptionId=sub-globex&subscriptionId=sub-globex",
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: gateway\r\n{fields}\r\n");

            let answer = send(gateway.address(), request.as_bytes()).await;

            let seen = String::from_utf8_lossy(&upstream.bytes()).into_owned();
            assert_eq!(status(&answer), expected, "{what}: {answer}");
            assert!(
                !seen.contains("token-globex") && !seen.to_ascii_lowercase().contains("\nsubscriptionid:"),
                "{what}: {seen}"
            );
            assert_eq!(seen.contains("Token token=token-acme"), expected == 200, "{what}: {seen}");
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_smuggling_does_not_reach_another_tenant() {
    for (what, request) in smuggled() {
        let upstream = Recorder::start().await;
        let gateway = start(Setup::default().onfido(upstream.address)).await;

        let answer = send(gateway.address(), request.as_bytes()).await;

        let seen = String::from_utf8_lossy(&upstream.bytes()).into_owned();
        assert_eq!((status(&answer), seen.as_str()), (400, ""), "{what}: {answer}");
        gateway.stop().await;
    }
}

type Fields = Vec<(&'static str, &'static str)>;

/// The attempts over HTTP/2: the fields, and the trailers after a body.
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn tricks() -> Vec<(&'static str, Fields, Fields)> {
    let plain = || {
        vec![
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "gateway.test"),
            (":path", "/dcs/kyc2/applicants"),
            ("subscriptionid", "sub-acme"),
        ]
    };
    let with = |name, value| [plain(), vec![(name, value)]].concat();
    let first = |name, value| [vec![(name, value)], plain()].concat();
    let without = |name: &str| plain().into_iter().filter(|(known, _)| *known != name).collect::<Fields>();
    vec![
        ("a pseudo field of its own", with(":subscriptionid", "sub-globex"), vec![]),
        ("a pseudo field of its own, first", first(":subscriptionid", "sub-globex"), vec![]),
        ("twice", with("subscriptionid", "sub-globex"), vec![]),
        ("twice, the other one first", first("subscriptionid", "sub-globex"), vec![]),
        ("in capitals", with("SubscriptionId", "sub-globex"), vec![]),
        ("with a blank behind its name", with("subscriptionid ", "sub-globex"), vec![]),
        ("with a colon in its name", with("subscriptionid:", "sub-globex"), vec![]),
        ("behind a line break in a name", with("x\r\nsubscriptionid", "sub-globex"), vec![]),
        ("behind a line break in a value", with("x", "y\r\nsubscriptionid: sub-globex"), vec![]),
        ("behind a line feed in a value", with("x", "y\nsubscriptionid: sub-globex"), vec![]),
        ("with a NUL", with("x", "y\0subscriptionid: sub-globex"), vec![]),
        ("as a hop-by-hop field", with("connection", "subscriptionid"), vec![]),
        ("in trailers", plain(), vec![("subscriptionid", "sub-globex")]),
        ("in trailers, as a pseudo field", plain(), vec![(":subscriptionid", "sub-globex")]),
        ("a path twice", with(":path", "/dcs/kyc2/other"), vec![]),
        (
            "a pseudo field behind others",
            [without(":path"), vec![(":path", "/dcs/kyc2/other")]].concat(),
            vec![],
        ),
        ("a method twice", with(":method", "GET"), vec![]),
        ("no path", without(":path"), vec![]),
        (
            "a request in the path",
            {
                let path = "/dcs/kyc2/x HTTP/1.1\r\nsubscriptionid: sub-globex\r\nx: ";
                [without(":path"), vec![("x", "y")]]
                    .concat()
                    .into_iter()
                    .chain([(":path", path)])
                    .rev()
                    .collect()
            },
            vec![],
        ),
        (
            "a request in the method",
            {
                let method = "GET /dcs/kyc2/x HTTP/1.1\r\nsubscriptionid: sub-globex\r\n\r\n";
                [vec![(":method", method)], without(":method")].concat()
            },
            vec![],
        ),
        (
            "a request in the authority",
            {
                let authority = "g\r\nsubscriptionid: sub-globex";
                [vec![(":authority", authority)], without(":authority")].concat()
            },
            vec![],
        ),
        ("another host beside the authority", with("host", "other.test"), vec![]),
        ("a coding", with("transfer-encoding", "chunked"), vec![]),
        ("a length that is not the body's", with("content-length", "5"), vec![]),
        ("an upgrade", with("upgrade", "websocket"), vec![]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_fields_do_not_reach_another_tenant() {
    let authority = Authority::new();
    let upstream = Recorder::start().await;
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().onfido(upstream.address).config(&listener)).await;

    for (what, request, trailers) in tricks() {
        let before = upstream.bytes().len();
        let mut connection = Frames::connect(&authority, gateway.address()).await;
        let mut frames = frame(HEADERS, END_HEADERS, 1, &fields(&request));
        if trailers.is_empty() {
            frames.extend(frame(DATA, END_STREAM, 1, b"{}"));
        } else {
            frames.extend(frame(DATA, 0, 1, b"{}"));
            frames.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&trailers)));
        }

        connection.send(&frames).await;
        let end = connection.end(1).await;

        let seen = String::from_utf8_lossy(&upstream.bytes()[before..]).into_owned();
        println!("{what}: {end:?}, {} bytes went on", seen.len());
        assert!(!seen.contains("sub-globex") && !seen.contains("token-globex"), "{what}: {seen}");
        assert!(!seen.to_ascii_lowercase().contains("subscriptionid"), "{what}: {seen}");
        let passes = matches!(what, "in trailers");
        assert!(passes || seen.is_empty() || !seen.contains("\r\n\r\n{}"), "{what} goes on whole: {seen}");
    }
    gateway.stop().await;
}
