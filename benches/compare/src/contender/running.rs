//! A contender that runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kyc_harness::calls::call;
use kyc_harness::certificates::Authority;
use kyc_harness::process::Process;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::Transport;
use crate::usage::{CpuTime, resident};

/// A running contender; it ends when this is dropped.
pub(crate) struct Running {
    process: Process,
    address: SocketAddr,
    transport: Transport,
    authority: Arc<Authority>,
    /// Removed after the process has ended.
    _folder: tempfile::TempDir,
}

/// A connection with or without TLS.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

// === impl Running ===

impl Running {
    pub(super) fn new(
        process: Process,
        address: SocketAddr,
        transport: Transport,
        authority: Arc<Authority>,
        folder: tempfile::TempDir,
    ) -> Self {
        Self { process, address, transport, authority, _folder: folder }
    }

    /// Where it listens, as a URL without a slash at the end.
    pub(crate) fn url(&self) -> String {
        match self.transport {
            Transport::Plain => format!("http://{}", self.address),
            Transport::Tls => format!("https://{}", self.address),
        }
    }

    /// The CPU time that it has used so far.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(crate) fn cpu_time(&self) -> Result<CpuTime, String> {
        CpuTime::of(self.process.pid())
    }

    /// Its memory in KiB: resident now, and at its peak.
    pub(crate) fn resident(&self) -> (u64, u64) {
        resident(self.process.pid())
    }

    /// Its peak RSS in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.resident().1 as f64 / 1024.0
    }

    /// Connects to it.
    ///
    /// # Errors
    ///
    /// It takes no connection.
    pub(crate) async fn connect(&self) -> std::io::Result<Box<dyn Duplex>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(match self.transport {
            Transport::Plain => Box::new(stream),
            Transport::Tls => Box::new(self.authority.wrap(stream).await?),
        })
    }

    /// Makes a small call.
    ///
    /// # Errors
    ///
    /// It is not answered with 200, or the connection does not stay open.
    pub(crate) async fn call(&self, connection: &mut Box<dyn Duplex>) -> Result<(), String> {
        let answer = call(connection, SMALL_CALL).await.map_err(|error| format!("a call failed: {error}"))?;
        match (answer.status, answer.keeps) {
            (200, true) => Ok(()),
            (200, false) => Err("the connection is closed after a call".to_owned()),
            (status, _) => Err(format!("a call was answered {status}")),
        }
    }

    /// Ends it by SIGTERM, so that it can still write what it recorded, such as a profile; kills it after [`LONGEST_STOP`].
    pub(crate) async fn stop(mut self) {
        // One that has ended already is reaped when it is dropped.
        if self.process.signal("-TERM").is_ok() {
            let _ = timeout(LONGEST_STOP, self.process.wait()).await;
        }
    }

    /// Waits until a call is answered with 200.
    pub(super) async fn becomes_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + LONGEST_START;
        loop {
            let problem = match self.connect().await {
                Ok(mut connection) => match self.call(&mut connection).await {
                    Ok(()) => return Ok(()),
                    Err(problem) => problem,
                },
                Err(error) => format!("cannot connect: {error}"),
            };
            if let Ok(Some(status)) = self.process.ended() {
                return Err(format!(
                    "ended at once ({status}); tests/tools/install peers installs what is missing"
                ));
            }
            if Instant::now() > deadline {
                return Err(format!("not ready after {} s: {problem}", LONGEST_START.as_secs()));
            }
            sleep(POLL).await;
        }
    }
}

const SMALL_CALL: &[u8] =
    b"GET /dcs/kyc2/applicants/1030303-123123-123123 HTTP/1.1\r\nHost: gateway.test\r\n\
    SubscriptionId: sub-777\r\nAuthorization: Token token=dummy\r\nAccept: application/json\r\n\r\n";
const LONGEST_START: Duration = Duration::from_secs(20);
const LONGEST_STOP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
