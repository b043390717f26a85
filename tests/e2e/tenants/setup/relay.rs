//! A relay before Onfido. It can take the lock of the document's folder at the moment when commands begin to change webhooks: they
//! have proved then that they may write, and their writes wait for the lock.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Relays calls to Onfido.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    plan: watch::Sender<Plan>,
}

/// What happens to requests that change something.
#[derive(Clone, Default)]
enum Plan {
    /// They pass.
    #[default]
    Pass,
    /// They wait until that many have arrived; then the lock of this folder is taken.
    Collect { missing: usize, folder: PathBuf },
    /// They pass, while the lock is held.
    Locked { _lock: Arc<File> },
}

// === impl Relay ===

impl Relay {
    pub(super) async fn start(onfido: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, plan) = (listener.local_addr().unwrap(), watch::Sender::default());
        let shared = plan.clone();
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(relay(caller, onfido, shared.clone()));
            }
        });
        Self { address, plan }
    }

    /// Takes the lock of the folder when `changes` requests that change something have arrived, before the first of them passes.
    pub(super) fn lock_at_changes(&self, changes: usize, folder: PathBuf) {
        self.plan.send_replace(Plan::Collect { missing: changes, folder });
    }

    /// Releases the lock.
    pub(super) fn unlock(&self) {
        let before = self.plan.send_replace(Plan::Pass);
        assert!(matches!(before, Plan::Locked { .. }), "the lock was not taken");
    }
}

async fn relay(caller: TcpStream, onfido: SocketAddr, plan: watch::Sender<Plan>) {
    let Ok(onfido) = TcpStream::connect(onfido).await else { return };
    let ((mut from, mut back), (mut answers, mut to)) = (caller.into_split(), onfido.into_split());
    let answering = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let part = &bytes[..length];
        if [&b"POST "[..], b"PUT ", b"DELETE "].iter().any(|method| part.starts_with(method)) {
            plan.send_modify(arrive);
            let passes = |plan: &Plan| !matches!(plan, Plan::Collect { .. });
            let _ = plan.subscribe().wait_for(passes).await;
        }
        if to.write_all(part).await.is_err() {
            break;
        }
    }
    drop(to);
    let _ = answering.await;
}

/// Counts one request, and takes the lock at the last one.
fn arrive(plan: &mut Plan) {
    let Plan::Collect { missing, folder } = plan else { return };
    *missing -= 1;
    if *missing == 0 {
        let lock = File::open(folder).unwrap();
        lock.lock().unwrap();
        *plan = Plan::Locked { _lock: Arc::new(lock) };
    }
}
