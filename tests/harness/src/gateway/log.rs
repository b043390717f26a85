//! The output of a gateway, and the listener addresses in it.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::process::LONGEST_WAIT;

/// The output of a gateway so far.
#[derive(Debug)]
pub struct Log {
    text: Mutex<String>,
    grown: watch::Sender<()>,
    listeners: watch::Sender<Vec<(String, SocketAddr)>>,
    open_streams: watch::Sender<usize>,
}

// === impl Log ===

impl Log {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            text: Mutex::default(),
            grown: watch::Sender::default(),
            listeners: watch::Sender::default(),
            open_streams: watch::Sender::default(),
        })
    }

    /// Reads one stream, line by line, until it ends.
    pub(crate) fn follow(self: &Arc<Self>, stream: Option<impl Read + Send + 'static>) {
        let Some(stream) = stream else { return };
        let log = Arc::clone(self);
        log.open_streams.send_modify(|open| *open += 1);
        // A thread, because some tests block the one that runs them.
        std::thread::spawn(move || {
            BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| log.push(&line));
            log.open_streams.send_modify(|open| *open -= 1);
        });
    }

    /// All lines, with their line ends.
    pub fn text(&self) -> String {
        self.lock().clone()
    }

    /// Waits until a line contains `wanted`, and returns the line.
    ///
    /// # Errors
    ///
    /// When no line contains it within a minute.
    pub async fn wait_for(&self, wanted: &str) -> io::Result<String> {
        let mut grown = self.grown.subscribe();
        let mut seen = 0;
        let search = async {
            loop {
                grown.borrow_and_update();
                if let Some(line) = self.find_from(&mut seen, wanted) {
                    return line;
                }
                // The sender lives as long as the log.
                let _ = grown.changed().await;
            }
        };
        tokio::time::timeout(LONGEST_WAIT, search)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("the log has no {wanted}")))
    }

    /// Waits until all streams have ended.
    pub async fn ended(&self) {
        let _ = self.open_streams.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Waits until the log has the address of the listener with this name.
    pub async fn listener(&self, name: &str) -> SocketAddr {
        self.address(|listener| listener == name).await
    }

    /// Waits until the log has the address of any listener except the admin listener.
    pub async fn first_public_listener(&self) -> SocketAddr {
        self.address(|listener| listener != "admin").await
    }

    /// Waits until the log has the addresses of this many listeners; `None` if the output ends before.
    pub async fn listeners(&self, count: usize) -> Option<Vec<(String, SocketAddr)>> {
        let mut listeners = self.listeners.subscribe();
        tokio::select! {
            biased;
            found = listeners.wait_for(|found| found.len() >= count) => found.ok().map(|found| found.clone()),
            () = self.ended() => None,
        }
    }

    async fn address(&self, wanted: impl Fn(&str) -> bool) -> SocketAddr {
        let mut listeners = self.listeners.subscribe();
        loop {
            let known = listeners.borrow_and_update().iter().find(|(name, _)| wanted(name)).cloned();
            if let Some((_, address)) = known {
                return address;
            }
            // The sender lives as long as the log.
            let _ = listeners.changed().await;
        }
    }

    fn push(&self, line: &str) {
        if let Some((name, address)) = listening(line) {
            self.listeners.send_modify(|known| {
                known.retain(|(other, _)| *other != name);
                known.push((name, address));
            });
        }
        let mut text = self.lock();
        text.push_str(line);
        text.push('\n');
        drop(text);
        self.grown.send_replace(());
    }

    /// Reads the lines since the last call.
    fn find_from(&self, seen: &mut usize, wanted: &str) -> Option<String> {
        let text = self.lock();
        let found = text.get(*seen..)?.lines().find(|line| line.contains(wanted)).map(str::to_owned);
        *seen = text.len();
        found
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The listener and its address in a line, if it has them.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    if !line.contains(r#""message":"listening""#) {
        return None;
    }
    let event: Value = serde_json::from_str(line).ok()?;
    let address = event.get("address")?.as_str()?.parse().ok()?;
    Some((event.get("listener")?.as_str()?.to_owned(), address))
}
