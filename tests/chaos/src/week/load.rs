//! The simulated Onfido of a week: sends each notification until it is answered 200, under the name that its customer has
//! by then.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kyc_sandbox::signature::sign;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::clock::now_ms;
use super::customers::Names;
use crate::Failure;
use crate::notification::{body, signing_token};

/// A notification that was answered 200.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) number: u64,
    pub(super) customer: usize,
    /// When it was answered.
    pub(super) at: u64,
}

/// What became of the notifications.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) accepted: Mutex<Vec<Accepted>>,
    /// Answers 503.
    pub(super) refused: AtomicU64,
    /// Sendings without an answer.
    pub(super) broken: AtomicU64,
    /// Answers 401 just after the tenant's name was changed.
    pub(super) renamed: AtomicU64,
    /// Other answers, and 401 at other times: there must be none.
    pub(super) wrong: Mutex<Vec<String>>,
    /// Notifications whose customer was gone before one was taken.
    pub(super) gone: AtomicU64,
}

/// A running load.
pub(super) struct Load {
    sending: JoinHandle<JoinSet<()>>,
    stopped: Arc<AtomicBool>,
    pub(super) tallies: Arc<Tallies>,
}

/// Where to, and in whose name.
#[derive(Clone)]
struct Way {
    client: Client,
    gateway: SocketAddr,
    names: Names,
    tallies: Arc<Tallies>,
}

// === impl Load ===

impl Load {
    pub(super) fn start(gateway: SocketAddr, rate: u64, seed: u64, names: Names) -> Result<Self, Failure> {
        let client = Client::builder().no_proxy().timeout(RESPONSE_TIMEOUT).build();
        let client = client.map_err(|error| Failure::from(("a client", error)))?;
        let (stopped, tallies) = (Arc::new(AtomicBool::new(false)), Arc::new(Tallies::default()));
        let way = Way { client, gateway, names, tallies: Arc::clone(&tallies) };
        let sending = tokio::spawn(send_all(way, rate, seed, Arc::clone(&stopped)));
        Ok(Self { sending, stopped, tallies })
    }

    /// Ends, once everything that was begun is answered 200; says how many were not after a minute.
    pub(super) async fn stop(self) -> Result<(Arc<Tallies>, usize), Failure> {
        self.stopped.store(true, Ordering::Relaxed);
        let mut sending = self.sending.await.map_err(|error| Failure::from(("the load", error)))?;
        let ending = async { while sending.join_next().await.is_some() {} };
        let _ = timeout(END, ending).await;
        Ok((self.tallies, sending.len()))
    }
}

async fn send_all(way: Way, rate: u64, seed: u64, stopped: Arc<AtomicBool>) -> JoinSet<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sending = JoinSet::new();
    let begun = Instant::now();
    for number in 0.. {
        sleep_until(begun + Duration::from_micros(number * 1_000_000 / rate)).await;
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        while sending.try_join_next().is_some() {}
        let customer = {
            let known = way.names.lock();
            let faulty: Vec<usize> = known.faulty.clone();
            let present: Vec<usize> = (0..)
                .zip(&known.current)
                .filter_map(|(customer, name)| name.is_some().then_some(customer))
                .collect();
            // Where something goes wrong is where something can be lost, so half of the events go there.
            let among = if faulty.is_empty() || random.random_bool(0.5) { present } else { faulty };
            among.get(random.random_range(0..among.len().max(1))).copied()
        };
        if let Some(customer) = customer {
            sending.spawn(way.clone().send(customer, number));
        }
    }
    sending
}

// === impl Way ===

impl Way {
    async fn send(self, customer: usize, number: u64) {
        let body = body(customer, number);
        let signature = sign(&signing_token(customer), body.as_bytes());
        loop {
            let (name, changed) = {
                let known = self.names.lock();
                (known.current.get(customer).cloned().flatten(), known.changed.get(customer).copied())
            };
            let Some(name) = name else {
                self.tallies.gone.fetch_add(1, Ordering::Relaxed);
                return;
            };
            let url = format!("http://{}/dcs/kyc2/webhook/notify/{name}", self.gateway);
            let request = self
                .client
                .post(url)
                .header("Content-Type", "application/json")
                .header("X-SHA2-Signature", &signature)
                .body(body.clone());
            match request.send().await.map(|answer| answer.status().as_u16()) {
                Ok(200) => {
                    let accepted = Accepted { number, customer, at: now_ms() };
                    lock(&self.tallies.accepted).push(accepted);
                    return;
                }
                Ok(503) => drop(self.tallies.refused.fetch_add(1, Ordering::Relaxed)),
                // The gateway does not know the name yet, or not any more.
                Ok(401) if self.is_new(customer, changed.unwrap_or_default()) => {
                    self.tallies.renamed.fetch_add(1, Ordering::Relaxed);
                }
                Ok(other) => lock(&self.tallies.wrong).push(format!(
                    "notification {number} of customer {customer} ({name}) was answered {other}"
                )),
                Err(_) => drop(self.tallies.broken.fetch_add(1, Ordering::Relaxed)),
            }
            sleep(AGAIN).await;
        }
    }

    /// Says whether the name is so new that the gateway may not know it, or changed while it was asked.
    fn is_new(&self, customer: usize, changed: u64) -> bool {
        let now = self.names.lock().changed.get(customer).copied().unwrap_or_default();
        now != changed || now_ms().saturating_sub(now) < SETTLES
    }
}

pub(super) fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Onfido waits 10 s for an answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// When a notification is sent again.
const AGAIN: Duration = Duration::from_millis(200);
const END: Duration = Duration::from_secs(60);
/// Milliseconds in which the gateway takes up a changed document: a signal tells it, and it looks every ten seconds.
const SETTLES: u64 = 15_000;
