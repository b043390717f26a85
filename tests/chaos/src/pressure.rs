//! Half heads at the admin listener and unsigned bodies at the public one, and what probes and the notifications of others
//! notice of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use kyc_harness::calls::percentile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::fleet::{Fleet, Plan};
use crate::sender::{Load, Sender, Sending, notification};
use crate::{Failure, progress};

/// What is tried.
#[derive(Clone, Debug)]
pub struct Pressure {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Notifications of other tenants in a second.
    pub rate: u64,
    /// Half heads at the admin listener, from eight addresses together.
    pub heads: usize,
    /// MiB of unsigned bodies that are open at a time.
    pub bodies: usize,
    /// Seconds.
    pub seconds: u64,
}

/// Good requests over some time.
#[derive(Clone, Debug, Default)]
pub struct Good {
    /// Probes,
    pub probes: usize,
    /// that were not answered 200,
    pub probes_failed: usize,
    /// and their p99 in milliseconds.
    pub probe_p99: f64,
    /// Notifications,
    pub notifications: usize,
    /// that were not answered 200 at once,
    pub notifications_failed: u64,
    /// and their p99 in milliseconds.
    pub notification_p99: f64,
}

/// Without the attack, and beside it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Without it.
    pub calm: Good,
    /// Beside it.
    pub meanwhile: Good,
    /// Memory of the gateway, the most, in MiB.
    pub memory: u64,
}

// === impl Found ===

impl Found {
    /// Says whether nobody's good request failed.
    pub fn holds(&self) -> bool {
        let none_failed = |good: &Good| good.probes_failed == 0 && good.notifications_failed == 0;
        none_failed(&self.calm) && none_failed(&self.meanwhile)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<12}{:>8}{:>8}{:>9}{:>15}{:>8}{:>9}",
            "", "probes", "failed", "p99 ms", "notifications", "failed", "p99 ms"
        )?;
        for (name, good) in [("calm", &self.calm), ("meanwhile", &self.meanwhile)] {
            writeln!(
                f,
                "{name:<12}{:>8}{:>8}{:>9.2}{:>15}{:>8}{:>9.2}",
                good.probes,
                good.probes_failed,
                good.probe_p99,
                good.notifications,
                good.notifications_failed,
                good.notification_p99
            )?;
        }
        write!(f, "the gateway took {} MiB at most", self.memory)
    }
}

/// Measures good requests alone, then beside both attacks.
///
/// # Errors
///
/// What could not be run.
pub async fn run(options: &Pressure) -> Result<Found, Failure> {
    let plan = Plan {
        binary: options.binary.clone(),
        gateways: 1,
        tenants: TENANTS,
        database: None,
        settings: String::new(),
        keep: false,
        sync: true,
    };
    let fleet = Fleet::start(&plan).await?;
    let gateway = fleet.gateways.first().ok_or_else(|| Failure("there is no gateway".to_owned()))?;
    let (public, admin) = (gateway.address, gateway.admin());
    let calm = good(options, public, admin, 0).await?;
    progress(&format!(
        "{} half heads and {} MiB of bodies for {} s",
        options.heads, options.bodies, options.seconds
    ));
    let mut attack = JoinSet::new();
    for number in 0..options.heads {
        let source = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(number % 8).unwrap_or_default());
        attack.spawn(again(source, admin, b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ".to_vec()));
    }
    for _ in 0..options.bodies * 1024 * 1024 / BODY {
        attack.spawn(again(Ipv4Addr::new(127, 0, 0, 20), public, unsigned()));
    }
    let meanwhile = good(options, public, admin, FIRST).await?;
    attack.shutdown().await;
    Ok(Found { calm, meanwhile, memory: gateway.memory().1 })
}

/// A body of the first tenant that lacks its last byte, with a signature that is not one.
fn unsigned() -> Vec<u8> {
    let head = format!(
        "POST /dcs/kyc2/webhook/notify/{} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n\
         X-SHA2-Signature: {}\r\nContent-Length: {}\r\n\r\n",
        crate::notification::tenant_name(0),
        "0".repeat(64),
        BODY
    );
    [head.into_bytes(), vec![b'x'; BODY - 1]].concat()
}

/// Opens a connection, sends what does not end, and waits until it is closed; and again, for ever.
async fn again(source: Ipv4Addr, to: SocketAddr, bytes: Vec<u8>) {
    loop {
        // Whatever becomes of it is the gateway's decision.
        let _ = once(source, to, &bytes).await;
        sleep(PAUSE).await;
    }
}

async fn once(source: Ipv4Addr, to: SocketAddr, bytes: &[u8]) -> std::io::Result<()> {
    let mut stream = connect(source, to).await?;
    stream.write_all(bytes).await?;
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

async fn connect(source: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((IpAddr::V4(source), 0).into())?;
    socket.connect(to).await
}

async fn good(
    options: &Pressure,
    public: SocketAddr,
    admin: SocketAddr,
    first: u64,
) -> Result<Good, Failure> {
    let sender = Sender::start(Load {
        rate: options.rate,
        tenants: TENANTS - 1,
        base: 1,
        lanes: 32,
        limit: options.rate * options.seconds,
        first,
        gateways: vec![public],
        request: notification,
    });
    let begun = Instant::now();
    let mut turns = interval(PROBE_EVERY);
    let (mut took, mut failed) = (Vec::new(), 0);
    while begun.elapsed() < Duration::from_secs(options.seconds) {
        turns.tick().await;
        for path in ["livez", "readyz"] {
            let asked = Instant::now();
            match timeout(PROBE_TIMEOUT, probe(admin, path)).await {
                Ok(Ok(true)) => took.push(asked.elapsed()),
                Ok(Ok(false) | Err(_)) | Err(_) => failed += 1,
            }
        }
    }
    took.sort_unstable();
    let sending: Sending = sender.wait().await?;
    Ok(Good {
        probes: took.len() + failed,
        probes_failed: failed,
        probe_p99: percentile(&took, 0.99),
        notifications: sending.accepted.len(),
        notifications_failed: sending.refused + sending.broken + sending.other,
        notification_p99: sending.percentile(0.99),
    })
}

/// As a kubelet asks: over a connection of its own.
async fn probe(admin: SocketAddr, path: &str) -> std::io::Result<bool> {
    let mut stream = connect(Ipv4Addr::LOCALHOST, admin).await?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

const TENANTS: usize = 5;
/// As large as a notification may be.
const BODY: usize = 64 * 1024;
/// The numbers of the second round begin here, as a notification that comes again is none.
const FIRST: u64 = 10_000_000;
/// Attackers have machines of their own; here they take the gateway's time, so that they wait before they come again.
const PAUSE: Duration = Duration::from_secs(5);
const PROBE_EVERY: Duration = Duration::from_millis(50);
/// A kubelet waits so long by default.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
