//! Small JSON documents over kept connections.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::{Call, Wrk};
use crate::sample::Sample;
use crate::stage::{LoadCore, Stage, Transport};

/// As many calls as 32 connections can make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Small {
    pub(crate) name: &'static str,
    pub(crate) transport: Transport,
    pub(crate) core: LoadCore,
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
        format!("small JSON, {transport}, {CONNECTIONS} connections{core}")
    }

    fn stage(&self) -> Stage {
        Stage { load_core: self.core, ..Stage::usual(self.transport) }
    }

    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        Wrk { connections: CONNECTIONS, call: Call::Small, core: self.core }.run(running, seconds).await
    }
}

const CONNECTIONS: u32 = 32;
