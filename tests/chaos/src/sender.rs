//! The simulated Onfido: sends notifications at a fixed rate, whatever the gateway does, and each one again until
//! it is answered 200.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kyc_harness::calls::{Pace, call, percentile};
use kyc_sandbox::signature::sign;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Failure;
use crate::notification::{body, signing_token, tenant_name};

/// What is sent.
#[derive(Clone, Debug)]
pub struct Load {
    /// Notifications in a second.
    pub rate: u64,
    /// They go to so many tenants in turn,
    pub tenants: usize,
    /// beginning with this one.
    pub base: usize,
    /// Connections.
    pub lanes: usize,
    /// How many at most.
    pub limit: u64,
    /// The number of the first one.
    pub first: u64,
    /// Where to; a lane that finds nobody goes to the next.
    pub gateways: Vec<SocketAddr>,
    /// What is sent to which tenant, by its number.
    pub request: fn(usize, u64) -> Vec<u8>,
}

/// A running load.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    lanes: JoinSet<Vec<Sent>>,
}

/// A notification that was answered 200.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Which one.
    pub number: u64,
    /// When it was first sent.
    pub at: SystemTime,
    /// From the time it was meant to be sent to its answer.
    pub took: Duration,
}

/// What became of a load.
#[derive(Clone, Debug, Default)]
pub struct Sending {
    /// Everything that was answered 200.
    pub accepted: Vec<Sent>,
    /// Answers 503.
    pub refused: u64,
    /// Sendings without an answer.
    pub broken: u64,
    /// Any other answer; there must be none.
    pub other: u64,
}

#[derive(Debug)]
struct Shared {
    load: Load,
    pace: Pace,
    stopped: AtomicBool,
    acknowledged: Mutex<Vec<u64>>,
    refused: AtomicU64,
    broken: AtomicU64,
    other: AtomicU64,
}

// === impl Sender ===

impl Sender {
    /// Begins to send.
    pub fn start(load: Load) -> Self {
        let shared = Arc::new(Shared {
            pace: Pace::start(load.rate),
            load,
            stopped: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            refused: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            other: AtomicU64::new(0),
        });
        let mut lanes = JoinSet::new();
        for lane in 0..shared.load.lanes {
            lanes.spawn(Arc::clone(&shared).send_all(lane));
        }
        Self { shared, lanes }
    }

    /// How many were answered 200 so far.
    pub fn accepted(&self) -> usize {
        self.shared.acknowledged().len()
    }

    /// The numbers of those that were answered 200 so far.
    pub fn acknowledged(&self) -> Vec<u64> {
        self.shared.acknowledged().clone()
    }

    /// Ends what is under way, and says what became of all.
    ///
    /// # Errors
    ///
    /// A lane has failed.
    pub async fn stop(self) -> Result<Sending, Failure> {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.wait().await
    }

    /// Waits until everything up to the limit is answered 200.
    ///
    /// # Errors
    ///
    /// A lane has failed.
    pub async fn wait(mut self) -> Result<Sending, Failure> {
        let mut sending = Sending::default();
        while let Some(sent) = self.lanes.join_next().await {
            sending.accepted.extend(sent.map_err(|error| Failure(format!("a lane failed: {error}")))?);
        }
        sending.refused = self.shared.refused.load(Ordering::Relaxed);
        sending.broken = self.shared.broken.load(Ordering::Relaxed);
        sending.other = self.shared.other.load(Ordering::Relaxed);
        Ok(sending)
    }
}

// === impl Sending ===

impl Sending {
    /// The time within which this part of the notifications was answered, in milliseconds.
    pub fn percentile(&self, part: f64) -> f64 {
        let mut times: Vec<Duration> = self.accepted.iter().map(|sent| sent.took).collect();
        times.sort_unstable();
        percentile(&times, part)
    }
}

// === impl Shared ===

impl Shared {
    async fn send_all(self: Arc<Self>, lane: usize) -> Vec<Sent> {
        let Load { tenants, base, lanes, limit, first, request, .. } = self.load;
        let mut connection = None;
        let mut accepted = Vec::new();
        for turn in (lane as u64..limit).step_by(lanes) {
            let begun = self.pace.wait(turn).await;
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            let (at, number) = (SystemTime::now(), first + turn);
            let tenant = base + usize::try_from(number % tenants as u64).unwrap_or_default();
            let request = request(tenant, number);
            self.send(&mut connection, lane, &request).await;
            self.acknowledged().push(number);
            accepted.push(Sent { number, at, took: begun.elapsed() });
        }
        accepted
    }

    fn acknowledged(&self) -> MutexGuard<'_, Vec<u64>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends until it is answered 200.
    async fn send(&self, connection: &mut Option<TcpStream>, lane: usize, request: &[u8]) {
        for turn in 0.. {
            let place = (lane + turn) % self.load.gateways.len();
            let Some(gateway) = self.load.gateways.get(place) else { return };
            match timeout(RESPONSE_TIMEOUT, post(connection, *gateway, request)).await {
                Ok(Ok(200)) => {
                    if turn > 0 {
                        // The next one goes home again, where there may be a gateway by now.
                        *connection = None;
                    }
                    return;
                }
                Ok(Ok(503)) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
                Ok(Ok(_)) => drop(self.other.fetch_add(1, Ordering::Relaxed)),
                Ok(Err(_)) | Err(_) => {
                    *connection = None;
                    self.broken.fetch_add(1, Ordering::Relaxed);
                }
            }
            sleep(AGAIN).await;
        }
    }
}

/// A signed notification.
pub fn notification(tenant: usize, number: u64) -> Vec<u8> {
    let body = body(tenant, number);
    format!(
        "POST /dcs/kyc2/webhook/notify/{} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n\
         X-SHA2-Signature: {}\r\nContent-Length: {}\r\n\r\n{body}",
        tenant_name(tenant),
        sign(&signing_token(tenant), body.as_bytes()),
        body.len()
    )
    .into_bytes()
}

/// Posts over the connection, or a new one, and says the status of the answer.
async fn post(
    connection: &mut Option<TcpStream>,
    gateway: SocketAddr,
    request: &[u8],
) -> std::io::Result<u16> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(gateway).await?;
            stream.set_nodelay(true)?;
            stream
        }
    };
    let answer = call(&mut stream, request).await?;
    if answer.keeps {
        *connection = Some(stream);
    }
    Ok(answer.status)
}

/// Onfido waits 10 s for an answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// When a notification is sent again, a little sooner than Onfido does.
const AGAIN: Duration = Duration::from_millis(20);
