//! Sends a batch to its collector.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use kyc_http_client::{ClientError, parse_retry_after, root_cause};
use reqwest::Client;

use super::client::{client, read_some};
use super::encoding::Verdict;
use super::line::Wrapping;
use super::queue::Queue;
use super::settings::ExportSettings;

/// The result of sending a batch or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All but so many events.
    Taken { rejected: usize },
    /// It never will be.
    Refused,
    /// The settings have changed to another collector.
    Changed,
    /// The collector does not answer, and the exporter has given up.
    GivenUp,
}

/// The connection to a collector.
pub(super) struct Sender {
    client: Client,
    settings: ExportSettings,
    wrapping: Arc<Wrapping>,
    /// Why the last attempt failed; it is logged once.
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
                    self.log_problem(None);
                    return Sent::Taken { rejected: (rejected + lines - events).min(lines) };
                }
                Ok(Answer { verdict: Verdict::Refused, status, .. }) => {
                    self.log_problem(Some(format!(
                        "events are refused with {}, and dropped",
                        status.as_u16()
                    )));
                    return Sent::Refused;
                }
                Ok(Answer { verdict: Verdict::Later, status, retry_after, .. }) => {
                    delay = retry_after.map_or(delay, |asked| asked.min(LONGEST_WAIT).max(delay));
                    self.log_problem(Some(format!("it answered {}; events wait", status.as_u16())));
                }
                Err(error) => self.log_problem(Some(format!("{}; events wait", cause(error)))),
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

    fn log_problem(&mut self, problem: Option<String>) {
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

/// What is at the bottom of it; says nothing of the address.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    root_cause(&error.without_url())
}

const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is obeyed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
