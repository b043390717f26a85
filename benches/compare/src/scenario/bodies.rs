//! Bodies of 5 MiB.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::{Call, Wrk};
use crate::sample::Sample;
use crate::stage::{LoadCore, Stage, Transport};

/// As many uploads or downloads as four connections can make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bodies {
    name: &'static str,
    call: Call,
}

// === impl Bodies ===

impl Bodies {
    pub(crate) const UPLOAD: Self = Self { name: "upload", call: Call::Upload };
    pub(crate) const DOWNLOAD: Self = Self { name: "download", call: Call::Download };
}

#[async_trait(?Send)]
impl Scenario for Bodies {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> String {
        format!("{} of 5 MiB, TLS on both sides, {CONNECTIONS} connections", self.name)
    }

    fn stage(&self) -> Stage {
        Stage::usual(Transport::Tls)
    }

    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        Wrk { connections: CONNECTIONS, call: self.call, core: LoadCore::Own }.run(running, seconds).await
    }
}

const CONNECTIONS: u32 = 4;
