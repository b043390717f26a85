//! Memory of idle connections.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::Idle;
use crate::sample::Sample;
use crate::stage::{Lifetime, Stage, Transport};

/// Keep-alive connections that are idle after one call on each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleConnections {
    name: &'static str,
    transport: Transport,
    connections: u32,
}

// === impl IdleConnections ===

impl IdleConnections {
    pub(crate) const PLAIN: Self = Self { name: "idle", transport: Transport::Plain, connections: 10_000 };
    pub(crate) const TLS: Self = Self { name: "idle-tls", transport: Transport::Tls, connections: 4_000 };
}

#[async_trait(?Send)]
impl Scenario for IdleConnections {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> String {
        let transport = self.transport.title();
        format!("{} idle keep-alive connections, {transport}, one call on each", self.connections)
    }

    fn stage(&self) -> Stage {
        let usual = Stage::usual(self.transport);
        Stage { lifetime: Lifetime::Round, connections: self.connections + usual.connections, ..usual }
    }

    async fn measure(&self, running: &Running, _seconds: u32) -> Result<Sample, String> {
        Idle { connections: self.connections }.run(running).await
    }
}
