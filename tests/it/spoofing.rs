//! Each way to reach another tenant than one's own, tried.

use crate::support::gateway::{Setup, start};
use crate::support::raw::{Recorder, send, status};

/// What is tried, the lines behind the request line, and the answer; where that is 200, it goes on as `acme`.
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

/// Requests whose frame hides a second one with another tenant.
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
async fn nobody_reaches_another_tenant_by_a_field() {
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
async fn nobody_reaches_another_tenant_by_the_frame() {
    for (what, request) in smuggled() {
        let upstream = Recorder::start().await;
        let gateway = start(Setup::default().onfido(upstream.address)).await;

        let answer = send(gateway.address(), request.as_bytes()).await;

        let seen = String::from_utf8_lossy(&upstream.bytes()).into_owned();
        assert_eq!((status(&answer), seen.as_str()), (400, ""), "{what}: {answer}");
        gateway.stop().await;
    }
}
