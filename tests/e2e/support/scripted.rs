//! An upstream with scripted responses, byte by byte.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Answers a request for `/ROW/CUT/VERSION` with the scripted answer of that row, in two segments; counts the requests of each
/// connection.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<BTreeMap<SocketAddr, usize>>>,
}

// === impl Scripted ===

impl Scripted {
    pub(crate) async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(BTreeMap::new()));
        let seen = Arc::clone(&requests);
        let answers = Arc::new(answers);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
                tokio::spawn(async move { Self::serve(stream, peer, &seen, &answers).await });
            }
        });
        Self { address, requests }
    }

    async fn serve(
        mut stream: TcpStream,
        peer: SocketAddr,
        seen: &Mutex<BTreeMap<SocketAddr, usize>>,
        answers: &[String],
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
            let answer = answers.get(row.parse::<usize>().ok()?)?.replace("VERSION", version);
            let (first, second) = answer.split_at(cut.parse().ok()?);
            stream.write_all(first.as_bytes()).await.ok()?;
            // Not a wait for anything: the gateway may have read the first segment or not, and must refuse in either case.
            tokio::time::sleep(Duration::from_millis(3)).await;
            stream.write_all(second.as_bytes()).await.ok()?;
        }
    }

    /// The most requests that any connection served.
    pub(crate) fn most_on_one_connection(&self) -> usize {
        self.requests.lock().unwrap().values().copied().max().unwrap_or_default()
    }
}

/// A chunked answer with this body; the version is filled in.
pub(crate) fn chunked(body: &str) -> String {
    format!("HTTP/VERSION 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// All bytes that the gateway sends for one call, until the connection ends.
pub(crate) async fn call(gateway: SocketAddr, row: usize, cut: usize, version: &str) -> String {
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

/// A configuration whose circuit breaker never opens, so that each response is read.
pub(crate) fn routes(more: &str) -> String {
    format!(
        "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{{*path}}\"]\n{more}[[routes.plugins]]\n\
         plugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n\
         limits = {{ failures = 1000000, open = \"1s\" }}\n"
    )
}
