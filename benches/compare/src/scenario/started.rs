//! Checks that are started, with the ledger of the event store and without it.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::{Call, Wrk};
use crate::sample::Sample;
use crate::stage::{Comparison, LoadCore, Stage, Transport};

/// As many starts of checks as 32 connections can make. Load and upstream have a core of their own: with a ledger the gateway waits
/// for the disk, and they would take the time that it leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started;

#[async_trait(?Send)]
impl Scenario for Started {
    fn name(&self) -> &'static str {
        "started"
    }

    fn title(&self) -> String {
        format!("POST /checks, without TLS, {CONNECTIONS} connections; noted in the ledger, and not noted")
    }

    fn stage(&self) -> Stage {
        Stage { comparison: Comparison::Ledger, ..Stage::usual(Transport::Plain) }
    }

    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        Wrk { connections: CONNECTIONS, call: Call::Check, core: LoadCore::Own }.run(running, seconds).await
    }
}

const CONNECTIONS: u32 = 32;
