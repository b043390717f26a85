//! Message framing on both sides of the gateway. Before the fixes, an HTTP/2 body that ended with an empty DATA frame left a second
//! last chunk on a connection that other tenants used next, and a request hidden in a chunk extension was served (if it arrived
//! in a later segment; in one segment the connection was closed first).

use std::net::SocketAddr;
use std::time::Duration;

use kyc_harness::certificates::Authority;
use kyc_sandbox::strict::Strict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::frames::{DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, fields, frame};
use crate::support::gateway::{Setup, start};
use crate::support::raw::{exchange, malformed_chunks, status};

fn head(path: &str, stream: u32, flags: u8, length: Option<usize>) -> Vec<u8> {
    let length = length.map(|length| length.to_string());
    let mut list = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "gateway.test"),
        (":path", path),
        ("subscriptionid", "sub-acme"),
        ("content-type", "application/json"),
    ];
    list.extend(length.as_deref().map(|length| ("content-length", length)));
    frame(HEADERS, END_HEADERS | flags, stream, &fields(&list))
}

fn padded(flags: u8, stream: u32, data: &[u8]) -> Vec<u8> {
    let payload = [&[7], data, &[0; 7]].concat();
    frame(DATA, PADDED | flags, stream, &payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn end_of_an_http2_body_is_written_once() {
    const BODY: &[u8] = br#"{"applicant_id":"a","report_names":["document"]}"#;
    type Rest = fn(u32) -> Vec<Vec<u8>>;
    let rows: [(&str, Rest); 7] = [
        ("END_STREAM on DATA", |id| vec![frame(DATA, END_STREAM, id, BODY)]),
        ("empty last DATA", |id| vec![frame(DATA, 0, id, BODY), frame(DATA, END_STREAM, id, b"")]),
        ("padded DATA", |id| vec![padded(END_STREAM, id, BODY)]),
        ("padding alone at last", |id| vec![frame(DATA, 0, id, BODY), padded(END_STREAM, id, b"")]),
        ("trailers", |id| {
            let trailers = fields(&[("x-checksum", "a")]);
            vec![frame(DATA, 0, id, BODY), frame(HEADERS, END_HEADERS | END_STREAM, id, &trailers)]
        }),
        ("empty DATA between", |id| {
            let (first, second) = BODY.split_at(9);
            vec![
                frame(DATA, 0, id, b""),
                frame(DATA, 0, id, first),
                frame(DATA, 0, id, b""),
                frame(DATA, 0, id, second),
                frame(DATA, END_STREAM, id, b""),
            ]
        }),
        ("END_STREAM on HEADERS", |_| Vec::new()),
    ];
    let authority = Authority::new();
    let upstream = Strict::start(ANSWER, false).await.unwrap();
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().onfido(upstream.address()).config(&listener)).await;
    let mut connection = Frames::connect(&authority, gateway.address()).await;
    let (mut id, mut sent) = (1, 0);

    for (name, rest) in rows {
        for path in ["/dcs/kyc2/applicants", "/dcs/kyc2/checks"] {
            for length in [None, Some(BODY.len())] {
                let frames = rest(id);
                if frames.is_empty() && (length.is_some() || path.ends_with("checks")) {
                    continue;
                }
                let flags = if frames.is_empty() { END_STREAM } else { 0 };
                assert!(connection.send(&head(path, id, flags, length)).await);
                // Sequentially, so that a late end of one body is found by the next request.
                for frame in frames {
                    assert!(connection.send(&frame).await);
                    tokio::task::yield_now().await;
                }
                assert_eq!(connection.end(id).await, End::Answered, "{name}, {path}, {length:?}");
                (id, sent) = (id + 2, sent + 1);
            }
        }
    }

    let seen = upstream.connections();
    assert!(seen.iter().all(|seen| seen.surplus.is_none()), "{seen:?}");
    assert_eq!(upstream.requests(), sent);
    assert!(seen.len() < sent, "no connection was used twice: {}", seen.len());
    gateway.stop().await;
}

/// Sends a request in two segments; the second only when the gateway has had time to read the first.
async fn in_two(gateway: SocketAddr, request: &[u8], cut: usize) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (first, second) = request.split_at(cut);
    stream.write_all(first).await.unwrap();
    // Not a wait for anything: the gateway may have read the first segment or not, and must refuse in either case.
    tokio::time::sleep(Duration::from_millis(3)).await;
    let mut answer = exchange(&mut stream, second).await;
    let mut rest = Vec::new();
    let _ = timeout(Duration::from_millis(200), stream.read_to_end(&mut rest)).await;
    answer.push_str(&String::from_utf8_lossy(&rest));
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn request_hidden_in_a_chunked_body_is_never_served() {
    const HIDDEN: &str = "GET /dcs/kyc2/hidden HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-globex\r\n\r\n";
    let bodies = malformed_chunks(HIDDEN);
    let upstream = Strict::start(ANSWER, false).await.unwrap();
    let gateway = start(Setup::default().onfido(upstream.address())).await;

    let rows = ["1.1", "1.0"].into_iter().flat_map(|version| bodies.iter().map(move |row| (version, row)));
    for (version, (name, body)) in rows {
        let head = format!(
            "POST /dcs/kyc2/applicants HTTP/{version}\r\nHost: g\r\nConnection: keep-alive\r\nSubscriptionId: sub-acme\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        let request = format!("{head}{body}");
        let cuts: Vec<usize> = (head.len() - 2..request.len()).collect();
        let answers = cuts.iter().map(|cut| in_two(gateway.address(), request.as_bytes(), *cut));
        let answers = futures::future::join_all(answers).await;
        for (cut, answer) in cuts.iter().zip(answers) {
            assert_eq!(status(&answer), 400, "{name}, HTTP/{version}, cut at {cut}: {answer}");
            assert_eq!(
                answer.matches("HTTP/1.1 ").count(),
                1,
                "{name}, HTTP/{version}, cut at {cut}: {answer}"
            );
        }
    }

    let seen = upstream.connections();
    assert!(!seen.iter().flat_map(|seen| &seen.requests).any(|head| head.contains("hidden")), "{seen:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_connection_belongs_to_one_tenant() {
    let upstream = Strict::start(ANSWER, false).await.unwrap();
    let gateway = start(Setup::default().onfido(upstream.address())).await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();

    for turn in 0..20 {
        let tenant = ["acme", "globex"][turn % 2];
        let request =
            format!("GET /dcs/kyc2/ping HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-{tenant}\r\n\r\n");
        assert_eq!(status(&exchange(&mut stream, request.as_bytes()).await), 200);
    }

    let seen = upstream.connections();
    assert_eq!(seen.len(), 2, "{seen:?}");
    for connection in &seen {
        let tokens: std::collections::BTreeSet<_> = connection
            .requests
            .iter()
            .filter_map(|head| head.lines().find(|line| line.starts_with("authorization:")))
            .collect();
        assert_eq!((tokens.len(), connection.requests.len()), (1, 10), "{connection:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_with_an_early_response_is_not_reused() {
    let upstream = Strict::start(ANSWER, true).await.unwrap();
    let gateway = start(Setup::default().onfido(upstream.address())).await;
    let head = "POST /dcs/kyc2/applicants HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n";

    for framing in ["Content-Length: 10\r\n\r\n01234", "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"] {
        let rest = if framing.contains("chunked") { "5\r\n56789\r\n0\r\n\r\n" } else { "56789" };
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let answer = exchange(&mut stream, format!("{head}{framing}").as_bytes()).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close\r\n"), "{answer}");
        stream.write_all(rest.as_bytes()).await.unwrap();
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "closed");
    }

    let seen = upstream.connections();
    assert!(seen.iter().all(|seen| seen.requests.len() == 1), "{seen:?}");
    assert_eq!(seen.len(), 2);
    gateway.stop().await;
}

const PADDED: u8 = 8;
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
