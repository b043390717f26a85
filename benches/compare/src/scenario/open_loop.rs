//! Latency at a rate that every contender can serve.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::OpenLoop;
use crate::sample::Sample;
use crate::stage::{Stage, Transport};

/// 1,000 calls a second, whatever becomes of those before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtFixedRate;

#[async_trait(?Send)]
impl Scenario for AtFixedRate {
    fn name(&self) -> &'static str {
        "open-loop"
    }

    fn title(&self) -> String {
        format!(
            "small JSON at {RATE} calls/s whatever the latency, TLS on both sides, {CONNECTIONS} connections"
        )
    }

    fn stage(&self) -> Stage {
        Stage::usual(Transport::Tls)
    }

    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        OpenLoop { rate: RATE, connections: CONNECTIONS }.run(running, seconds).await
    }
}

const RATE: u64 = 1000;
const CONNECTIONS: u64 = 32;
