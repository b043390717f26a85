//! A hostile server: it redirects every request to another address, or sends endless bodies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// 307 to this address; a redirect with this status keeps method, body and most fields.
    Redirect(SocketAddr),
    /// 200 with an endless JSON string.
    Endless,
}

/// The received requests, by the first segment of the path.
pub(crate) struct Wayward {
    pub(crate) address: SocketAddr,
    answered: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// Takes connections and reads nothing from them.
pub(crate) struct Trap {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

// === impl Wayward ===

impl Wayward {
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answered = Arc::default();
        let all = Arc::clone(&answered);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (fault, answered) = (fault.clone(), Arc::clone(&all));
                tokio::spawn(async move { answer(stream, fault, &answered).await });
            }
        });
        Self { address, answered }
    }

    /// The most bytes that an answer had, for each first segment of a path whose answer has ended.
    pub(crate) fn answered(&self) -> BTreeMap<String, usize> {
        self.answered.lock().unwrap().clone()
    }
}

// === impl Trap ===

impl Trap {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { address, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// One request of a connection, which ends after it.
async fn answer(
    mut stream: TcpStream,
    fault: Fault,
    answered: &Mutex<BTreeMap<String, usize>>,
) -> Option<()> {
    let mut request = vec![0; 65536];
    let read = stream.read(&mut request).await.ok()?;
    let path = String::from_utf8_lossy(&request[..read]).split(' ').nth(1)?.to_owned();
    let mut sent = 0;
    match fault {
        Fault::Redirect(target) => {
            let head = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{target}{path}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.ok()?;
        }
        Fault::Endless => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\"";
            stream.write_all(head.as_bytes()).await.ok()?;
            while stream.write_all(&[b'x'; 65536]).await.is_ok() {
                sent += 65536;
            }
        }
    }
    let segment = path.split('/').nth(1)?.to_owned();
    let mut answered = answered.lock().unwrap();
    let most = answered.entry(segment).or_default();
    *most = sent.max(*most);
    Some(())
}
