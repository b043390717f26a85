//! A new TLS connection for each call.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::{Call, Wrk};
use crate::sample::Sample;
use crate::stage::{LoadCore, Stage, Transport};

/// As many calls as 32 callers can make who close each connection after one call, and resume no session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewConnections;

#[async_trait(?Send)]
impl Scenario for NewConnections {
    fn name(&self) -> &'static str {
        "new-connections"
    }

    fn title(&self) -> String {
        format!("small JSON, a new TLS connection for each call, TLS on both sides, {CALLERS} callers")
    }

    fn stage(&self) -> Stage {
        Stage::usual(Transport::Tls)
    }

    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        let load = Wrk { connections: CALLERS, call: Call::SmallOnNewConnection, core: LoadCore::Own };
        load.run(running, seconds).await
    }
}

const CALLERS: u32 = 32;
