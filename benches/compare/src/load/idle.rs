//! Idle keep-alive connections, each after one call.

use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::sleep;

use crate::contender::{Duplex, Running};
use crate::sample::{Figure, Sample};

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) connections: u32,
}

// === impl Idle ===

impl Idle {
    /// Opens the connections, and measures the memory of the contender.
    ///
    /// # Errors
    ///
    /// A connection is refused, a call failed, or a connection was closed meanwhile.
    pub(crate) async fn run(&self, running: &Running) -> Result<Sample, String> {
        // What is allocated once is not counted: connections to the upstream, pages of the allocator, nginx's table of connections.
        drop(self.open(running, WARM_UP).await?);
        sleep(SETTLE).await;
        let before = running.resident().0;
        let mut connections = self.open(running, self.connections).await?;
        sleep(SETTLE).await;
        let used = running.resident().0.saturating_sub(before);
        // The first connections have been idle for longest.
        for connection in connections.iter_mut().take(LANES) {
            running.call(connection).await?;
        }
        Ok(Sample(vec![
            (Figure::KibPerConnection, used as f64 / f64::from(self.connections)),
            (Figure::PeakMib, running.peak_mib()),
        ]))
    }

    async fn open(&self, running: &Running, count: u32) -> Result<Vec<Box<dyn Duplex>>, String> {
        let lanes = (0..LANES).map(|lane| async move {
            let mut opened = Vec::new();
            for _ in (lane..usize::try_from(count).unwrap_or_default()).step_by(LANES) {
                let mut connection =
                    running.connect().await.map_err(|error| format!("cannot connect: {error}"))?;
                running.call(&mut connection).await?;
                opened.push(connection);
            }
            Ok::<_, String>(opened)
        });
        Ok(try_join_all(lanes).await?.into_iter().flatten().collect())
    }
}

const LANES: usize = 32;
const WARM_UP: u32 = 200;
const SETTLE: Duration = Duration::from_millis(500);
