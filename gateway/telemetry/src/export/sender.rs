//! Brings a batch to its collector.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

use super::encoding::{Encoding, Wrapping};
use super::queue::Queue;

/// Which collector, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// What it is called in the log and in metrics.
    pub name: &'static str,
    /// Where batches are posted to, whole.
    pub url: Url,
    /// Fields of each request, such as a key; those that are secret are marked sensitive.
    pub headers: HeaderMap,
    /// How events are written.
    pub encoding: Encoding,
    /// How many events wait at most; beyond, new ones are dropped. Never more than 32 MiB of them wait.
    pub max_events: usize,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Taken,
    /// It never will be.
    Refused,
    /// The collector is away, and nobody waits for it any longer.
    GivenUp,
}

/// The connection to a collector.
pub(super) struct Sender {
    client: Client,
    settings: ExportSettings,
    wrapping: Wrapping,
    /// Whether the last try failed; the log says it once.
    failing: bool,
}

// === impl Sender ===

impl Sender {
    /// Prepares a client; opens no connection.
    pub(super) fn new(settings: &ExportSettings) -> Result<Self, reqwest::Error> {
        let client = client()?;
        let wrapping = Wrapping::from_environment();
        Ok(Self { client, settings: settings.clone(), wrapping, failing: false })
    }

    /// Sends until the collector says yes or no.
    pub(super) async fn send(&mut self, lines: &[Box<[u8]>], queue: &Queue) -> Sent {
        let body = bytes::Bytes::from(self.settings.encoding.encode(lines, &self.wrapping));
        if body.is_empty() {
            return Sent::Refused;
        }
        let delays = ExponentialBuilder::new()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(LAST_DELAY)
            .with_jitter()
            .without_max_times();
        for delay in delays.build() {
            match self.post(body.clone()).await {
                Ok(status) if status.is_success() => {
                    self.tell(None);
                    return Sent::Taken;
                }
                Ok(StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE) => return Sent::Refused,
                Ok(status) => self.tell(Some(&format!("it answered {}", status.as_u16()))),
                Err(error) => self.tell(Some(&cause(&error))),
            }
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = queue.closed() => return Sent::GivenUp,
            }
        }
        Sent::GivenUp
    }

    async fn post(&self, body: bytes::Bytes) -> Result<StatusCode, reqwest::Error> {
        let request = self
            .client
            .post(self.settings.url.clone())
            .headers(self.settings.headers.clone())
            .header(CONTENT_TYPE, self.settings.encoding.content_type());
        let response = request.body(body).send().await?;
        let status = response.status();
        // Read to its end, so that the connection can be used again.
        response.bytes().await?;
        Ok(status)
    }

    fn tell(&mut self, problem: Option<&str>) {
        let collector = self.settings.name;
        match problem {
            Some(error) if !self.failing => {
                tracing::warn!(collector, error, "log events are not taken; they wait");
            }
            None if self.failing => tracing::info!(collector, "log events are taken again"),
            Some(_) | None => {}
        }
        self.failing = problem.is_some();
    }
}

/// A client that follows no redirect and asks no proxy, so that a key stays where it belongs.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .user_agent(concat!("kyc-gateway/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// What is at the bottom of it; says nothing of the address.
fn cause(error: &reqwest::Error) -> String {
    let mut bottom: &dyn std::error::Error = error;
    while let Some(deeper) = bottom.source() {
        bottom = deeper;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { bottom.to_string() }
}

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(10);
