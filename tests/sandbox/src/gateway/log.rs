//! What a gateway writes, line by line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

use crate::journal::{Journal, NotSeen};

#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Journal<String>,
    open: AtomicUsize,
    ended: watch::Sender<()>,
}

#[derive(Deserialize)]
struct Listening {
    message: String,
    listener: String,
    address: SocketAddr,
}

// === impl Log ===

impl Log {
    /// Takes in the lines of one stream until it ends.
    pub(super) fn follow(self: &Arc<Self>, stream: Option<impl AsyncRead + Send + Unpin + 'static>) {
        let Some(stream) = stream else { return };
        let log = Arc::clone(self);
        log.open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                log.lines.push(line);
            }
            log.open.fetch_sub(1, Ordering::SeqCst);
            log.ended.send_replace(());
        });
    }

    pub(super) fn text(&self) -> String {
        self.lines.look(|lines| lines.join("\n"))
    }

    pub(super) async fn wait_for(&self, text: &str) -> Result<String, NotSeen> {
        self.lines.wait_for(|lines| lines.iter().find(|line| line.contains(text)).cloned()).await
    }

    /// Waits until nothing more can come.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        while self.open.load(Ordering::SeqCst) > 0 && ended.changed().await.is_ok() {}
    }

    pub(super) async fn listener(&self, name: &str) -> SocketAddr {
        self.address(|listener| listener == name).await
    }

    pub(super) async fn first_public_listener(&self) -> SocketAddr {
        self.address(|listener| listener != "admin").await
    }

    async fn address(&self, wanted: impl Fn(&str) -> bool) -> SocketAddr {
        loop {
            let found = self.lines.wait_for(|lines| {
                lines
                    .iter()
                    .filter_map(|line| serde_json::from_str::<Listening>(line).ok())
                    .find(|line| line.message == "listening" && wanted(&line.listener))
                    .map(|line| line.address)
            });
            if let Ok(address) = found.await {
                return address;
            }
        }
    }
}
