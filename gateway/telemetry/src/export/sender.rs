//! Brings a batch to its collector.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use kyc_http_client::{ClientError, ClientSettings, Trust, parse_retry_after, read_at_most, root_cause};
use reqwest::{Client, Response};
use url::Url;

use super::encoding::{Encoding, Verdict, Wrapping};
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

/// What became of a batch, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All but so many events.
    Taken { rejected: usize },
    /// It never will be.
    Refused,
    /// Meanwhile the collector is another one.
    Changed,
    /// The collector is away, and nobody waits for it any longer.
    GivenUp,
}

/// The connection to a collector.
pub(super) struct Sender {
    client: Client,
    settings: ExportSettings,
    wrapping: Arc<Wrapping>,
    /// What the last try failed for; the log says it once.
    problem: Option<String>,
}

/// An answer, as far as it matters.
struct Answer {
    verdict: Verdict,
    status: StatusCode,
    rejected: usize,
    retry_after: Option<Duration>,
}

// === impl Sender ===

impl Sender {
    /// Prepares a client; opens no connection.
    pub(super) fn new(settings: ExportSettings) -> Result<Self, ClientError> {
        Ok(Self {
            client: client()?,
            settings,
            wrapping: Arc::new(Wrapping::from_environment()),
            problem: None,
        })
    }

    /// Sends these lines of a batch until the collector says yes or no.
    pub(super) async fn send(&mut self, batch: &Arc<[Box<[u8]>]>, part: Range<usize>, queue: &Queue) -> Sent {
        if let Some(settings) = queue.changed() {
            self.settings = settings;
        }
        let lines = part.len();
        let (body, events) = self.encode(Arc::clone(batch), part).await;
        if events == 0 {
            return Sent::Taken { rejected: lines };
        }
        let delays = ExponentialBuilder::new()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(LAST_DELAY)
            .with_jitter()
            .without_max_times();
        for delay in delays.build() {
            let mut delay = delay.min(LAST_DELAY);
            match self.post(body.clone()).await {
                Ok(Answer { verdict: Verdict::Taken, rejected, .. }) => {
                    self.tell(None);
                    return Sent::Taken { rejected: (rejected + lines - events).min(lines) };
                }
                Ok(Answer { verdict: Verdict::Refused, status, .. }) => {
                    self.tell(Some(format!("events are refused with {}, and dropped", status.as_u16())));
                    return Sent::Refused;
                }
                Ok(Answer { verdict: Verdict::Later, status, retry_after, .. }) => {
                    delay = retry_after.map_or(delay, |asked| asked.min(LONGEST_WAIT).max(delay));
                    self.tell(Some(format!("it answered {}; events wait", status.as_u16())));
                }
                Err(error) => self.tell(Some(format!("{}; events wait", cause(error)))),
            }
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = queue.turned() => {
                    return if queue.is_closed() { Sent::GivenUp } else { Sent::Changed };
                }
            }
        }
        Sent::GivenUp
    }

    async fn encode(&self, batch: Arc<[Box<[u8]>]>, part: Range<usize>) -> (Bytes, usize) {
        let (encoding, wrapping) = (self.settings.encoding, Arc::clone(&self.wrapping));
        let encoded = tokio::task::spawn_blocking(move || {
            encoding.encode(batch.get(part).unwrap_or_default(), &wrapping)
        });
        let (body, events) = encoded.await.unwrap_or_default();
        (Bytes::from(body), events)
    }

    async fn post(&self, body: Bytes) -> Result<Answer, reqwest::Error> {
        let request = self
            .client
            .post(self.settings.url.clone())
            .headers(self.settings.headers.clone())
            .header(CONTENT_TYPE, self.settings.encoding.content_type());
        let response = request.body(body).send().await?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(parse_retry_after);
        let verdict = self.settings.encoding.judge(status);
        // The status stands, even if the rest breaks off.
        let answer = read_some(response).await.unwrap_or_default();
        let rejected = self.settings.encoding.rejected(&answer);
        Ok(Answer { verdict, status, rejected, retry_after })
    }

    fn tell(&mut self, problem: Option<String>) {
        let collector = self.settings.name;
        match &problem {
            Some(error) if self.problem != problem => {
                tracing::warn!(collector, error, "log events are not taken");
            }
            None if self.problem.is_some() => tracing::info!(collector, "log events are taken again"),
            Some(_) | None => {}
        }
        self.problem = problem;
    }
}

/// The address of a collector: http or https, without credentials, which would show up in errors.
pub fn collector_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// Prepares a client for collectors; opens no connection.
pub(crate) fn client() -> Result<Client, ClientError> {
    ClientSettings { whole: Some(WHOLE), ..ClientSettings::new(CONNECT, Trust::System) }.build()
}

/// Reads what a collector has to say, but no more than that.
pub(crate) async fn read_some(response: Response) -> Result<Bytes, reqwest::Error> {
    read_at_most(response, ANSWER_LIMIT).await
}

/// What is at the bottom of it; says nothing of the address.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    root_cause(&error.without_url())
}

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(10);
/// However long a collector asks to be left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const ANSWER_LIMIT: usize = 64 * 1024;
