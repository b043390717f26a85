//! Signs and sends notifications, with Onfido's retries.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use reqwest::Client;
use reqwest::redirect::Policy;

use super::webhook::Webhook;
use crate::journal::Journal;
use crate::signature::sign;

/// One attempt to send a notification.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The account of the event.
    pub account: String,
    /// The id of the webhook.
    pub webhook: String,
    /// The body as sent.
    pub body: Bytes,
    /// The number of the attempt, from 1.
    pub attempt: usize,
    /// The outcome of the attempt.
    pub outcome: Outcome,
    /// The start of the attempt.
    pub at: SystemTime,
    /// The duration of the attempt.
    pub elapsed: Duration,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver sent a complete response with this status.
    Answered(u16),
    /// No response within 10 s, or no connection.
    Failed,
}

#[derive(Debug)]
pub(super) struct Notifier {
    client: Client,
    clock: u32,
    attempts: Arc<Journal<Notification>>,
    /// How many of the next notifications are never sent.
    withheld: AtomicUsize,
}

// === impl Notifier ===

impl Notifier {
    /// Creates a notifier whose retries are `clock` times faster than Onfido's.
    pub(super) fn new(clock: u32) -> io::Result<Self> {
        // A second installation fails; the first one stays in use.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(RESPONSE_TIMEOUT)
            .build()
            .map_err(io::Error::other)?;
        Ok(Self { client, clock: clock.max(1), attempts: Arc::default(), withheld: AtomicUsize::new(0) })
    }

    pub(super) fn attempts(&self) -> &Journal<Notification> {
        &self.attempts
    }

    /// Never sends the next `count` notifications.
    pub(super) fn withhold(&self, count: usize) {
        self.withheld.fetch_add(count, Ordering::Relaxed);
    }

    /// Sends in the background, unless the notification is withheld.
    pub(super) fn send(&self, account: &str, webhook: Webhook, body: Bytes) {
        let one_less = |left: usize| left.checked_sub(1);
        if self.withheld.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            return;
        }
        let (client, attempts) = (self.client.clone(), Arc::clone(&self.attempts));
        let pauses = RETRIES.map(|pause| Duration::from_secs(pause) / self.clock);
        let account = account.to_owned();
        tokio::spawn(async move {
            for (before, pause) in std::iter::once(Duration::ZERO).chain(pauses).enumerate() {
                tokio::time::sleep(pause).await;
                let (at, began) = (SystemTime::now(), tokio::time::Instant::now());
                let outcome = post(&client, &webhook, body.clone()).await;
                let taken = outcome.is_success();
                attempts.push(Notification {
                    account: account.clone(),
                    webhook: webhook.id.clone(),
                    body: body.clone(),
                    attempt: before + 1,
                    outcome,
                    at,
                    elapsed: began.elapsed(),
                });
                if taken {
                    return;
                }
            }
        });
    }
}

// === impl Outcome ===

impl Outcome {
    /// Returns whether Onfido counts the attempt as successful: any 2xx.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Answered(status) => (200..300).contains(status),
            Self::Failed => false,
        }
    }
}

async fn post(client: &Client, webhook: &Webhook, body: Bytes) -> Outcome {
    let signature = sign(&webhook.token, &body);
    let request = client
        .post(&webhook.url)
        .header(CONTENT_TYPE, "application/json")
        .header("X-SHA2-Signature", signature)
        .body(body);
    let Ok(answer) = request.send().await else { return Outcome::Failed };
    let status = answer.status().as_u16();
    match answer.bytes().await {
        Ok(_) => Outcome::Answered(status),
        Err(_) => Outcome::Failed,
    }
}

/// The time in which a receiver must respond. Onfido's documentation: "within 10 seconds".
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds before each of the five retries.
const RETRIES: [u64; 5] = [30, 2 * 60, 15 * 60, 2 * 3_600, 10 * 3_600];
