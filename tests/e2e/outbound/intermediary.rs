//! The duties of an intermediary: `Via`, `Max-Forwards`, and the version of a response (RFC 9110 §7.6, RFC 9112 §2.3).

use kyc_harness::certificates::Authority;

use crate::support::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, fields, frame};
use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{Recorder, send, status};
use crate::support::scripted::{Scripted, call};
use crate::support::upstream::Echo;

const FIELDS: &str = "Host: g\r\nSubscriptionId: sub-acme\r\nConnection: close\r\n";

fn http2_client(authority: &Authority, gateway: &Gateway) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([authority.certificate()])
        .resolve("gateway.test", gateway.address())
        .build()
        .unwrap()
}

/// `Via` said 1.1 for every request.
#[tokio::test(flavor = "multi_thread")]
async fn via_names_the_version_that_the_request_had() {
    let (authority, onfido) = (Authority::new(), Echo::start().await);
    let plain = start(Setup::default().onfido(onfido.address)).await;
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let tls = start(Setup::default().onfido(onfido.address).config(&listener)).await;

    for version in ["1.0", "1.1"] {
        let request = format!("GET /dcs/kyc2/ping HTTP/{version}\r\nVia: 1.1 before\r\n{FIELDS}\r\n");
        let seen = send(plain.address(), request.as_bytes()).await.to_ascii_lowercase();
        let via: Vec<&str> = seen.lines().filter_map(|line| line.strip_prefix("via: ")).collect();
        assert_eq!(via, ["1.1 before", &format!("{version} kyc-gateway")], "{seen}");
    }
    let url = format!("https://gateway.test:{}/dcs/kyc2/ping", tls.address().port());
    let answer = http2_client(&authority, &tls).get(url).header("SubscriptionId", "sub-acme").send().await;
    let answer = answer.unwrap();

    assert_eq!(answer.version(), http::Version::HTTP_2);
    let seen = answer.text().await.unwrap().to_ascii_lowercase();
    assert!(seen.contains("via: 2 kyc-gateway\r\n"), "{seen}");
    plain.stop().await;
    tls.stop().await;
}

/// `Max-Forwards` went on as it came.
#[tokio::test(flavor = "multi_thread")]
async fn max_forwards_of_options_is_counted_down_and_ends_at_the_gateway() {
    let upstream = Recorder::start().await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;
    let ask = async |method: &str, fields: &str| {
        let request = format!("{method} /dcs/kyc2/applicants HTTP/1.1\r\n{FIELDS}{fields}\r\n");
        send(gateway.address(), request.as_bytes()).await
    };

    let own = ask("OPTIONS", "Max-Forwards: 0\r\n").await;
    assert_eq!(status(&own), 200, "{own}");
    let fields = own.to_ascii_lowercase();
    assert!(fields.contains("\r\nallow: get, head, post"), "{own}");
    assert!(fields.contains("\r\ncontent-length: 0\r\n"), "{own}");
    for malformed in ["", "x", "-1", "1, 2", "+1", "0x1"] {
        let refused = ask("OPTIONS", &format!("Max-Forwards: {malformed}\r\n")).await;
        assert_eq!(status(&refused), 400, "{malformed:?}: {refused}");
    }
    let repeated = ask("OPTIONS", "Max-Forwards: 1\r\nMax-Forwards: 1\r\n").await;
    assert_eq!(status(&repeated), 400, "{repeated}");
    let stranger = "OPTIONS /dcs/kyc2/applicants HTTP/1.1\r\nHost: g\r\nMax-Forwards: 0\r\n\r\n";
    let stranger = send(gateway.address(), stranger.as_bytes()).await;
    assert_eq!(status(&stranger), 401, "{stranger}");
    assert_eq!(String::from_utf8_lossy(&upstream.bytes()), "", "the upstream saw something");

    for (method, given, forwarded) in [
        ("OPTIONS", "1", "0"),
        ("OPTIONS", "010", "9"),
        ("OPTIONS", "99999999999999999999999", "18446744073709551614"),
        ("GET", "0", "0"),
        ("GET", "x", "x"),
    ] {
        let answer = ask(method, &format!("Max-Forwards: {given}\r\n")).await;
        assert_eq!(status(&answer), 200, "{given}: {answer}");
        let seen = String::from_utf8_lossy(&upstream.bytes()).to_ascii_lowercase();
        let last = seen.rsplit("max-forwards: ").next().unwrap();
        assert!(last.starts_with(&format!("{forwarded}\r\n")), "{method} {given}: {seen}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn response_of_an_http_1_0_upstream_has_the_gateways_version_and_framing() {
    let rows = [
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=9\r\nContent-Length: 5\r\n\r\nhello"
            .to_owned(),
    ];
    let upstream = Scripted::start(rows.to_vec()).await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    for row in 0..rows.len() {
        let answer = call(gateway.address(), row, 20, "1.0").await;

        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("keep-alive"), "{answer}");
    }
    gateway.stop().await;
}

/// Pingora's HTTP/2 sessions send no interim responses.
#[tokio::test(flavor = "multi_thread")]
async fn early_hints_are_forwarded_over_http_1_1_and_dropped_over_http2() {
    let authority = Authority::new();
    let script = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nConnection: X-Hop\r\nX-Hop: a\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let upstream = Scripted::start(vec![script.to_owned()]).await;
    let listeners = format!(
        "[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}\
         [[listeners]]\nname = \"plain\"\naddress = \"127.0.0.1:0\"\n",
        authority.listener_tls()
    );
    let gateway = start(Setup::default().onfido(upstream.address).config(&listeners)).await;

    let plain = call(gateway.listener("plain"), 0, 60, "1.1").await;
    let mut http2 = Frames::connect(&authority, gateway.address()).await;
    let head = fields(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "gateway.test"),
        (":path", "/dcs/kyc2/0/60/1.1"),
        ("subscriptionid", "sub-acme"),
    ]);
    assert!(http2.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).await);

    let (interim, rest) = plain.split_once("\r\n\r\n").unwrap();
    assert!(interim.starts_with("HTTP/1.1 103 Early Hints\r\n") && interim.contains("style.css"), "{plain}");
    assert!(!interim.to_ascii_lowercase().contains("x-hop"), "{plain}");
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.ends_with("\r\n\r\nhello"), "{plain}");
    // The first fields of the stream.
    assert_eq!(http2.status(1).await, Some(200));
    gateway.stop().await;
}

/// Each interim response restarts the time that the gateway waits for the next one.
#[tokio::test(flavor = "multi_thread")]
async fn upstream_that_sends_interim_responses_without_end_becomes_502() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n";
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let upstream =
        Scripted::start([16, 17].map(|hints| format!("{}{whole}", hint.repeat(hints))).to_vec()).await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    let most = call(gateway.address(), 0, 60, "1.1").await;
    let more = call(gateway.address(), 1, 60, "1.1").await;

    assert!(most.ends_with("\r\n\r\nhello"), "{most}");
    assert_eq!(more.matches("HTTP/1.1 103 ").count(), 16, "{more}");
    assert!(more.contains("HTTP/1.1 502 ") && more.contains("\"upstream_error\""), "{more}");
    gateway.stop().await;
}
