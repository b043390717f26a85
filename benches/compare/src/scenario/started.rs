//! Checks that are started, with the ledger of the event store and without it.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::{Call, Wrk};
use crate::sample::Sample;
use crate::stage::{Comparison, LoadCore, Stage, Transport};

/// As many calls as 32 connections can make. Load and upstream have a core of their own: with a ledger the gateway waits for the
/// disk, and they would take the time that it leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    name: &'static str,
    title: &'static str,
    call: Call,
    transport: Transport,
}

// === impl Started ===

impl Started {
    /// The starts alone: what a note costs.
    pub(crate) const CHECKS: Self =
        Self { name: "started", title: "POST /checks", call: Call::Check, transport: Transport::Plain };
    /// What the ledger costs among all calls that a check needs.
    pub(crate) const VERIFICATION: Self = Self {
        name: "verification",
        title: "the seven calls of a check, three of them with 1 MiB",
        call: Call::Verification,
        transport: Transport::Tls,
    };
}

#[async_trait(?Send)]
impl Scenario for Started {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> String {
        let Self { title, transport, .. } = self;
        let transport = transport.title();
        format!("{title}, {transport}, {CONNECTIONS} connections; noted in the ledger, and not noted")
    }

    fn stage(&self) -> Stage {
        Stage { comparison: Comparison::Ledger, ..Stage::usual(self.transport) }
    }

    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        Wrk { connections: CONNECTIONS, call: self.call, core: LoadCore::Own }.run(running, seconds).await
    }
}

const CONNECTIONS: u32 = 32;
