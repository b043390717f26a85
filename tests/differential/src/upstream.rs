//! The upstream of one exchange: it follows the script, and records what it receives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::events::{Events, LONGEST, PAUSE};
use crate::message::{Body, BodyState, Framing, Head, Reader};
use crate::script::Step;

/// A scripted upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request that arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// Connections are numbered from 0.
    pub(crate) connection: usize,
    pub(crate) head: Head,
    pub(crate) body: Body,
    /// The proxy closed the connection while the upstream waited for that.
    pub(crate) is_given_up: bool,
    /// Nothing more is read of it.
    is_done: bool,
}

#[derive(Debug, Default)]
struct Shared {
    plays: Vec<Vec<Step>>,
    events: Arc<Events>,
    received: Mutex<Vec<Received>>,
}

/// One connection.
struct Connection {
    number: usize,
    reader: Reader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    shared: Arc<Shared>,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Open,
    Closed,
    Reset,
}

// === impl Upstream ===

impl Upstream {
    pub(crate) async fn start(plays: Vec<Vec<Step>>, events: Arc<Events>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { plays, events, received: Mutex::default() });
        let all = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let connection = Connection::new(number, stream, Arc::clone(&all));
                tokio::spawn(connection.serve());
                number += 1;
            }
        });
        Ok(Self { address, shared, task })
    }

    /// What arrived, once every request has arrived completely or its connection has ended.
    pub(crate) async fn received(self) -> Vec<Received> {
        let settled = async {
            while self.shared.received.lock().unwrap().iter().any(|request| !request.is_done) {
                sleep(POLL).await;
            }
        };
        // A proxy that keeps a cut-off request open is recorded so.
        let _ = timeout(LONGEST, settled).await;
        self.task.abort();
        self.shared.received.lock().unwrap().clone()
    }
}

// === impl Connection ===

impl Connection {
    fn new(number: usize, stream: TcpStream, shared: Arc<Shared>) -> Self {
        // Segments leave as they are written; without it, one may be joined with the next.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        Self { number, reader: Reader::new(reader), writer, shared }
    }

    async fn serve(mut self) {
        while let Some(head) = self.reader.head().await {
            let is_probe = head.word(1).ends_with(PROBE);
            let framing = head.framing(Framing::Length(0));
            let (place, earlier) = self.record(head);
            let steps = match is_probe {
                true => vec![Step::Write(PROBE_RESPONSE.to_owned())],
                false => self.play(earlier),
            };
            let after = self.follow(&steps, place, framing).await;
            self.update(place, |received| received.is_done = true);
            match after {
                After::Open => {}
                After::Closed => return,
                After::Reset => {
                    let _ = self.reader.stream.as_ref().set_zero_linger();
                    // Dropped, it would close its direction first.
                    self.writer.forget();
                    return;
                }
            }
        }
    }

    /// Records a request: its place in the record, and how many came before it, probes apart.
    fn record(&self, head: Head) -> (usize, usize) {
        let mut received = self.shared.received.lock().unwrap();
        let earlier = received.iter().filter(|request| !request.head.word(1).ends_with(PROBE)).count();
        received.push(Received { connection: self.number, head, ..Received::default() });
        (received.len() - 1, earlier)
    }

    fn play(&self, number: usize) -> Vec<Step> {
        let plays = &self.shared.plays;
        plays.get(number).or_else(|| plays.last()).cloned().unwrap_or_default()
    }

    fn update(&self, place: usize, change: impl FnOnce(&mut Received)) {
        self.shared.received.lock().unwrap().get_mut(place).map(change);
    }

    async fn follow(&mut self, steps: &[Step], place: usize, mut framing: Framing) -> After {
        for step in steps {
            match step {
                Step::Body => self.body(place, &mut framing, usize::MAX).await,
                Step::Bytes(count) => self.body(place, &mut framing, *count).await,
                Step::Write(bytes) => drop(self.writer.write_all(bytes.as_bytes()).await),
                Step::Segments(pieces) => {
                    for piece in pieces {
                        let _ = self.writer.write_all(piece.as_bytes()).await;
                        // Not a wait for anything: the next piece shall not come in the same segment.
                        sleep(SEGMENT).await;
                    }
                }
                Step::Close => return After::Closed,
                Step::Reset => return After::Reset,
                Step::Gone => {
                    let gone = async { while self.reader.more().await {} };
                    let is_given_up = timeout(GONE, gone).await.is_ok();
                    self.update(place, |received| received.is_given_up = is_given_up);
                }
                Step::Silent => {
                    let gone = async { while self.reader.more().await {} };
                    let _ = timeout(LONGEST, gone).await;
                    return After::Closed;
                }
                Step::Until(event) => self.shared.events.until(event).await,
                Step::Mark(event) => self.shared.events.mark(event),
                Step::Pause => sleep(PAUSE).await,
            }
        }
        self.body(place, &mut framing, usize::MAX).await;
        After::Open
    }

    /// Reads the body of the request on, until it has so many bytes.
    async fn body(&mut self, place: usize, framing: &mut Framing, wanted: usize) {
        let mut body = Body::default();
        self.update(place, |received| body = received.body.clone());
        while body.state == BodyState::Open && body.bytes < wanted {
            let next = body.bytes + 1;
            self.reader.body(framing, &mut body, next).await;
            self.update(place, |received| received.body = body.clone());
        }
    }
}

/// The end of the path of a request that only asks whether a connection is still open.
pub(crate) const PROBE: &str = "/probe";
pub(crate) const PROBE_BODY: &str = "probe";
const PROBE_RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Probe: yes\r\n\r\nprobe";
const SEGMENT: Duration = Duration::from_millis(10);
const GONE: Duration = Duration::from_millis(1500);
const POLL: Duration = Duration::from_millis(5);
