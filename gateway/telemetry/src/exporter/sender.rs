//! Sends a batch to its collector, with retries.
//!
//! A collector that is down or slow keeps its batch: the exporter retries without end, with growing delays, until the collector
//! answers, the settings change or the process ends. The bounded queue limits what waits meanwhile.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use kyc_http_client::{ClientError, parse_retry_after, root_cause};
use reqwest::Client;

use super::client::{client, read_bounded};
use super::encoding::Verdict;
use super::line::ResourceAttributes;
use super::queue::Queue;
use super::settings::ExportSettings;

/// The result of sending a batch or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendResult {
    /// The collector accepted all but `rejected` events.
    Accepted { rejected: usize },
    /// The collector will never accept the batch.
    Refused,
    /// The settings have changed to another collector.
    Changed,
    /// The exporter was closed while the collector did not accept the batch.
    Closed,
}

/// The client of a collector.
pub(super) struct Sender {
    client: Client,
    settings: ExportSettings,
    resource: Arc<ResourceAttributes>,
    /// Why the last attempt failed. Only a change of it is logged.
    problem: Option<String>,
}

/// The parts of a response that decide what happens to the batch.
struct Outcome {
    verdict: Verdict,
    status: StatusCode,
    rejected: usize,
    retry_after: Option<Duration>,
}

// === impl Sender ===

impl Sender {
    /// Builds the client. Opens no connection.
    pub(super) fn new(settings: ExportSettings) -> Result<Self, ClientError> {
        Ok(Self {
            client: client()?,
            settings,
            resource: Arc::new(ResourceAttributes::from_environment()),
            problem: None,
        })
    }

    /// Sends a part of a batch, with retries, until the collector accepts or refuses it.
    pub(super) async fn send(
        &mut self,
        batch: &Arc<[Box<[u8]>]>,
        part: Range<usize>,
        queue: &Queue,
    ) -> SendResult {
        if let Some(settings) = queue.take_change() {
            self.settings = settings;
        }
        let lines = part.len();
        let (body, events) = self.encode(Arc::clone(batch), part).await;
        if events == 0 {
            return SendResult::Accepted { rejected: lines };
        }
        let delays = ExponentialBuilder::new()
            .with_min_delay(MIN_RETRY_DELAY)
            .with_max_delay(MAX_RETRY_DELAY)
            .with_jitter()
            .without_max_times();
        for delay in delays.build() {
            // Jitter is added to the maximum, too.
            let mut delay = delay.min(MAX_RETRY_DELAY);
            match self.post(body.clone()).await {
                Ok(Outcome { verdict: Verdict::Accepted, rejected, .. }) => {
                    self.log_problem(None);
                    return SendResult::Accepted { rejected: (rejected + lines - events).min(lines) };
                }
                Ok(Outcome { verdict: Verdict::Refused, status, .. }) => {
                    self.log_problem(Some(format!(
                        "the collector refused events with {}; they are dropped",
                        status.as_u16()
                    )));
                    return SendResult::Refused;
                }
                Ok(Outcome { verdict: Verdict::Retry, status, retry_after, .. }) => {
                    delay = retry_after.map_or(delay, |asked| asked.min(MAX_RETRY_AFTER).max(delay));
                    self.log_problem(Some(format!(
                        "the collector answered {}; events wait",
                        status.as_u16()
                    )));
                }
                Err(error) => self.log_problem(Some(format!("{}; events wait", cause(error)))),
            }
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = queue.interrupted() => {
                    return if queue.is_closed() { SendResult::Closed } else { SendResult::Changed };
                }
            }
        }
        SendResult::Closed
    }

    async fn encode(&self, batch: Arc<[Box<[u8]>]>, part: Range<usize>) -> (Bytes, usize) {
        let (encoding, resource) = (self.settings.encoding, Arc::clone(&self.resource));
        // Blocking threads of this runtime have the lowest priority; see `Exporter::start`.
        let encoded = tokio::task::spawn_blocking(move || {
            encoding.encode(batch.get(part).unwrap_or_default(), &resource)
        });
        let (body, events) = encoded.await.unwrap_or_default();
        (Bytes::from(body), events)
    }

    async fn post(&self, body: Bytes) -> Result<Outcome, reqwest::Error> {
        let request = self
            .client
            .post(self.settings.url.clone())
            .headers(self.settings.headers.clone())
            .header(CONTENT_TYPE, self.settings.encoding.content_type());
        let response = request.body(body).send().await?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(parse_retry_after);
        let verdict = self.settings.encoding.classify(status);
        // The status decides, even if the connection breaks before the end of the body.
        let answer = read_bounded(response).await.unwrap_or_default();
        let rejected = self.settings.encoding.rejected(&answer);
        Ok(Outcome { verdict, status, rejected, retry_after })
    }

    fn log_problem(&mut self, problem: Option<String>) {
        let collector = self.settings.name;
        match &problem {
            Some(error) if self.problem != problem => {
                tracing::warn!(collector, error, "the collector does not accept log events");
            }
            None if self.problem.is_some() => {
                tracing::info!(collector, "the collector accepts log events again")
            }
            Some(_) | None => {}
        }
        self.problem = problem;
    }
}

/// The root cause of a failed call, without the URL.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no response in time".to_owned();
    }
    root_cause(&error.without_url())
}

const MIN_RETRY_DELAY: Duration = Duration::from_millis(250);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that the exporter obeys.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
