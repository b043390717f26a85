//! Small JSON documents over HTTP/2.

use async_trait::async_trait;

use super::contract::Scenario;
use crate::contender::Running;
use crate::load::H2load;
use crate::sample::Sample;
use crate::stage::{Stage, Transport};

/// As many calls as eight streams on each of eight connections can make; HTTP/1.1 to the upstream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Http2;

#[async_trait(?Send)]
impl Scenario for Http2 {
    fn name(&self) -> &'static str {
        "http2"
    }

    fn title(&self) -> String {
        format!(
            "small JSON, HTTP/2, TLS on both sides, {CONNECTIONS} connections with {STREAMS} streams each"
        )
    }

    fn stage(&self) -> Stage {
        Stage::usual(Transport::Tls)
    }

    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        H2load { connections: CONNECTIONS, streams: STREAMS }.run(running, seconds).await
    }
}

const CONNECTIONS: u32 = 8;
const STREAMS: u32 = 8;
