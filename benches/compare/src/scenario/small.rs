//! Small JSON documents over kept connections.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::{Call, Wrk};
use crate::sample::Sample;
use crate::stage::{Comparison, LoadCore, Stage, Transport};

/// As many calls as 32 connections can make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Small {
    name: &'static str,
    transport: Transport,
    core: LoadCore,
    comparison: Comparison,
}

// === impl Small ===

impl Small {
    pub(super) const PLAIN: Self = Self {
        name: "plain",
        transport: Transport::Plain,
        core: LoadCore::Own,
        comparison: Comparison::Peers,
    };
    pub(super) const PLAIN_ONE_CORE: Self =
        Self { name: "plain-one-core", core: LoadCore::Shared, ..Self::PLAIN };
    pub(super) const TLS: Self = Self { name: "tls", transport: Transport::Tls, ..Self::PLAIN };
    /// On one core, where the ratio moves least.
    pub(super) const TENANTS: Self =
        Self { name: "tenants", comparison: Comparison::Tenants, ..Self::PLAIN_ONE_CORE };
}

#[async_trait(?Send)]
impl Scenario for Small {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> String {
        let transport = self.transport.title();
        let core = match self.core {
            LoadCore::Shared => "; load and upstream on the contender's core",
            LoadCore::Own => "",
        };
        let tenants = match self.comparison {
            Comparison::Peers | Comparison::Ledger => "",
            Comparison::Tenants => "; 10,000 tenants and 10",
        };
        format!("small JSON, {transport}, {CONNECTIONS} connections{core}{tenants}")
    }

    fn stage(&self) -> Stage {
        Stage { load_core: self.core, comparison: self.comparison, ..Stage::usual(self.transport) }
    }

    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        Wrk { connections: CONNECTIONS, call: Call::Small, core: self.core }.run(running, seconds).await
    }
}

const CONNECTIONS: u32 = 32;
