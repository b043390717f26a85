//! What an upstream's answers may contain, and what becomes of connections with those that have two readings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::gateway::{Setup, start};
use crate::support::raw::status;

/// Answers a request for `/NAME/CUT/VERSION` with the scripted body of that name, in two segments; counts the requests of
/// each connection.
struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<BTreeMap<SocketAddr, usize>>>,
}

// === impl Scripted ===

impl Scripted {
    async fn start(bodies: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(BTreeMap::new()));
        let seen = Arc::clone(&requests);
        let bodies = Arc::new(bodies);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (seen, bodies) = (Arc::clone(&seen), Arc::clone(&bodies));
                tokio::spawn(async move { Self::serve(stream, peer, &seen, &bodies).await });
            }
        });
        Self { address, requests }
    }

    async fn serve(
        mut stream: TcpStream,
        peer: SocketAddr,
        seen: &Mutex<BTreeMap<SocketAddr, usize>>,
        bodies: &[String],
    ) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut head = Vec::new();
        loop {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.ok()?);
            }
            *seen.lock().unwrap().entry(peer).or_default() += 1;
            let text = String::from_utf8_lossy(&head).into_owned();
            head.clear();
            let mut path = text.split(' ').nth(1)?.rsplit('/');
            let (version, cut, row) = (path.next()?, path.next()?, path.next()?);
            let answer = answer(version, bodies.get(row.parse::<usize>().ok()?)?);
            let (first, second) = answer.split_at(cut.parse().ok()?);
            stream.write_all(first.as_bytes()).await.ok()?;
            // Not a wait for anything: the gateway may have read the first segment or not, and must refuse in either case.
            tokio::time::sleep(Duration::from_millis(3)).await;
            stream.write_all(second.as_bytes()).await.ok()?;
        }
    }

    /// The most requests that any connection served.
    fn most_on_one_connection(&self) -> usize {
        self.requests.lock().unwrap().values().copied().max().unwrap_or_default()
    }
}

fn answer(version: &str, body: &str) -> String {
    format!("HTTP/{version} 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// All that comes for one call, until the connection ends.
async fn call(gateway: SocketAddr, row: usize, cut: usize, version: &str) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let request = format!(
        "GET /dcs/kyc2/{row}/{cut}/{version} HTTP/1.1\r\nHost: g\r\nConnection: close\r\nSubscriptionId: sub-acme\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection does not end: {request}{}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_hidden_in_a_chunked_answer_is_never_passed_on() {
    const HIDDEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden";
    let size = format!("{:x}", HIDDEN.len() + 5);
    let rows = [
        ("line feed in an extension", format!("3;\nxx\r\n{size}\r\n0\r\n\r\n{HIDDEN}\r\n0\r\n\r\n")),
        ("line feed behind a size", format!("2\nxx\r\n0\r\n\r\n{HIDDEN}")),
        ("empty size", format!("\r\n\r\n{HIDDEN}")),
        ("extension without size", format!(";a\r\n\r\n{HIDDEN}")),
        ("space behind the size", format!("0 \r\n\r\n{HIDDEN}")),
        ("control byte in an extension", format!("0;a\u{1}\r\n\r\n{HIDDEN}")),
        ("trailer without colon", format!("0\r\nno colon\r\n\r\n{HIDDEN}")),
        ("trailer that frames", format!("0\r\nContent-Length: 6\r\n\r\n{HIDDEN}")),
        ("trailer with a line feed", format!("0\r\nx: a\nb: c\r\n\r\n{HIDDEN}")),
    ];
    let upstream = Scripted::start(rows.iter().map(|(_, body)| body.clone()).collect()).await;
    // No failure may open the circuit breaker: each answer is to be read.
    let routes = "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\n[[routes.plugins]]\nplugin = \"subscription\"\n\
                  [[routes.plugins]]\nplugin = \"onfido\"\nlimits = { failures = 1000000, open = \"1s\" }\n";
    let gateway = start(Setup::default().onfido(upstream.address).config(routes)).await;

    for version in ["1.1", "1.0"] {
        for (row, (name, body)) in rows.iter().enumerate() {
            let whole = answer(version, body).len();
            let head = whole - body.len();
            let cuts: Vec<usize> = (head - 2..whole).collect();
            let calls = cuts.iter().map(|cut| call(gateway.address(), row, *cut, version));
            for (cut, answer) in cuts.iter().zip(futures::future::join_all(calls).await) {
                let case = format!("{name}, HTTP/{version}, cut at {cut}: {answer}");
                assert!(status(&answer) == 200 || answer.contains("\"upstream_error\""), "{case}");
                assert!(!answer.contains("hidden"), "{case}");
                assert!(status(&answer) == 502 || !answer.ends_with("0\r\n\r\n"), "it looks whole: {case}");
            }
        }
    }

    assert_eq!(upstream.most_on_one_connection(), 1, "a connection was used after a malformed answer");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_answer_of_the_grammar_is_passed_on_and_its_connection_kept() {
    let body = "5;a=\"b c\"\r\nhello\r\na\r\n, everyone\r\n0;end\r\nX-Checksum: a\r\n\r\n";
    let upstream = Scripted::start(vec![body.to_owned()]).await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;
    let whole = answer("1.1", body).len();

    for cut in 1..whole {
        let answer = call(gateway.address(), 0, cut, "1.1").await;
        assert_eq!(status(&answer), 200, "cut at {cut}: {answer}");
        let (_, chunks) = answer.split_once("\r\n\r\n").unwrap();
        // Sizes and pieces take turns.
        let pieces: String = chunks.split("\r\n").skip(1).step_by(2).collect();
        assert_eq!(pieces, "hello, everyone", "cut at {cut}: {answer}");
    }

    assert_eq!(upstream.most_on_one_connection(), whole - 1, "one connection for all");
    gateway.stop().await;
}
