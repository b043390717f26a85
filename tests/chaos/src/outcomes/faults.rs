//! Gateways that are killed and stopped, at moments that the seed decides.

use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use super::options::Outcomes;
use crate::Failure;
use crate::fleet::Fleet;

/// A fault of one gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// How many checks have been answered by then.
    pub(super) after: usize,
    gateway: usize,
    kind: Kind,
    /// How long the gateway is away.
    away: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// SIGKILL.
    Kill,
    /// SIGKILL by itself, after so many commits of the event store that nobody was told of.
    KillAtCommit(u32),
    /// SIGTERM.
    Stop,
}

/// A fault that has happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Struck {
    /// When the gateway was signalled. One that kills itself ended at some time up to `ended`.
    pub(super) from: SystemTime,
    /// When the process was gone.
    pub(super) ended: SystemTime,
    /// How often it was killed, and not stopped.
    pub(super) kills: usize,
    /// How often it was started.
    pub(super) starts: usize,
}

/// The faults in the order of their moments; the last ones come while the callers make the last calls.
pub(super) fn plan(options: &Outcomes) -> Vec<Fault> {
    let mut random = StdRng::seed_from_u64(options.seed);
    let last = usize::try_from(options.checks).unwrap_or(usize::MAX);
    let mut moments: Vec<usize> = (0..options.kills).map(|_| random.random_range(last / 50..last)).collect();
    moments.sort_unstable();
    let fault = |(number, after)| {
        let (kind, is_away) = match random.random_range(0..8) {
            0..=2 => (Kind::Kill, false),
            3 | 4 => (Kind::Kill, true),
            5 | 6 => (Kind::KillAtCommit(random.random_range(1..50)), false),
            _ => (Kind::Stop, true),
        };
        let away = if is_away { random.random_range(500..4000) } else { 0 };
        Fault { after, gateway: number % options.gateways, kind, away: Duration::from_millis(away) }
    };
    moments.into_iter().enumerate().map(fault).collect()
}

// === impl Fault ===

impl Fault {
    /// Ends the gateway, and starts it again.
    pub(super) async fn strike(self, fleet: &mut Fleet) -> Result<Struck, Failure> {
        let gateway = fleet.gateway(self.gateway)?;
        let from = SystemTime::now();
        match self.kind {
            Kind::Kill => gateway.kill().await?,
            Kind::KillAtCommit(commits) => {
                gateway.kill().await?;
                gateway.start(Some(("committed", commits))).await?;
                // With few calls left there may be few commits; it is killed all the same.
                gateway.ended(POINT_TIMEOUT).await?;
            }
            Kind::Stop => {
                let ended = gateway.stop().await?;
                if ended.is_none_or(|status| !status.success()) {
                    return Err(Failure(format!("a stopped gateway ended with {ended:?}")));
                }
            }
        }
        let ended = SystemTime::now();
        sleep(self.away).await;
        gateway.start(None).await?;
        let (kills, starts) = match self.kind {
            Kind::Kill => (1, 1),
            // The first one, to be started with the point.
            Kind::KillAtCommit(_) => (2, 2),
            Kind::Stop => (0, 1),
        };
        Ok(Struck { from, ended, kills, starts })
    }
}

const POINT_TIMEOUT: Duration = Duration::from_secs(5);
