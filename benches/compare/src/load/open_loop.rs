//! Calls at a fixed rate, whatever becomes of those before (an open loop), so that a stall shows in the latency of all calls that
//! were due meanwhile.

use std::time::Duration;

use futures::future::try_join_all;
use kyc_harness::calls::{Pace, percentile};

use crate::contender::Running;
use crate::sample::{Figure, Sample};

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenLoop {
    /// Calls in a second.
    pub(crate) rate: u64,
    pub(crate) connections: u64,
}

// === impl OpenLoop ===

impl OpenLoop {
    /// Runs it, and measures.
    ///
    /// # Errors
    ///
    /// A call failed.
    pub(crate) async fn run(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(running.connect().await.map_err(|error| format!("cannot connect: {error}"))?);
        }
        let (pace, limit) = (Pace::start(self.rate), self.rate * u64::from(seconds));
        let before = running.cpu_time()?;
        let lanes = (0..).zip(connections).map(|(lane, mut connection)| async move {
            let mut times = Vec::new();
            for number in (lane..limit).step_by(usize::try_from(self.connections).unwrap_or(1)) {
                let begun = pace.wait(number).await;
                running.call(&mut connection).await?;
                times.push(begun.elapsed());
            }
            Ok::<_, String>(times)
        });
        let mut times: Vec<Duration> = try_join_all(lanes).await?.into_iter().flatten().collect();
        let cpu = running.cpu_time()?.since(&before);
        times.sort_unstable();
        Ok(Sample(vec![
            (Figure::CpuPerCall, cpu / times.len() as f64),
            (Figure::P50, percentile(&times, 0.5) * 1000.0),
            (Figure::P99, percentile(&times, 0.99) * 1000.0),
            (Figure::PeakMib, running.peak_mib()),
        ]))
    }
}
