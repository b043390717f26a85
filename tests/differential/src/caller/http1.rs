//! Callers with HTTP/1.0 and HTTP/1.1, on raw sockets.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};

use super::seen::{Call, ConnectionState, INTERIM, Response, Seen};
use crate::case::{Case, Version};
use crate::events::{LONGEST, PAUSE};
use crate::message::{Body, BodyState, Framing, Reader};
use crate::script::{Act, RequestFraming, RequestHead};
use crate::upstream::PROBE_BODY;

struct Caller<'a> {
    call: Call<'a>,
    version: Version,
    reader: Reader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// What leaves in one segment, before the caller waits for anything.
    pending: String,
    responses: Vec<Response>,
    /// The rest of the last response.
    framing: Framing,
    /// The methods of the requests that have no final response yet.
    methods: Vec<String>,
    is_chunked: bool,
}

/// Whether the caller goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Act,
    Left,
    Reset,
}

pub(super) async fn make(call: Call<'_>, case: &Case, version: Version) -> Seen {
    let mut caller = Caller::connect(call, version).await;
    for act in &case.acts {
        let next = caller.act(act).await;
        if next != Next::Act {
            return caller.leave(next);
        }
    }
    caller.flush().await;
    let wait = async {
        while caller.finals() < case.responses && caller.response().await {}
        caller.finish_body().await;
    };
    let is_late = timeout(LONGEST, wait).await.is_err();
    call.events.mark("end");
    let connection = if is_late { ConnectionState::Silent } else { caller.state().await };
    Seen { responses: caller.responses, connection }
}

/// Makes a request over a connection of its own.
pub(super) async fn probe_alone(call: Call<'_>) {
    let mut caller = Caller::connect(call, Version::Http11).await;
    caller.state().await;
}

// === impl Caller ===

impl<'a> Caller<'a> {
    async fn connect(call: Call<'a>, version: Version) -> Self {
        let stream = TcpStream::connect(call.plain).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        let (responses, methods) = (Vec::new(), Vec::new());
        let framing = Framing::Length(0);
        Self {
            call,
            version,
            reader: Reader::new(reader),
            writer,
            pending: String::new(),
            responses,
            framing,
            methods,
            is_chunked: false,
        }
    }

    async fn act(&mut self, act: &Act) -> Next {
        match act {
            Act::Head(head) => self.head(head),
            Act::Raw(text) => {
                let text = self.filled(text);
                self.pending.push_str(&text);
            }
            Act::Data(data) => self.data(data),
            Act::Last(data) => {
                self.data(data);
                self.end(&[]);
            }
            Act::End => self.end(&[]),
            Act::Trailers(fields) => self.end(fields),
            act => {
                self.flush().await;
                return self.wait(act).await;
            }
        }
        Next::Act
    }

    /// What comes after everything was sent.
    async fn wait(&mut self, act: &Act) -> Next {
        match act {
            Act::Bytewise(text) => {
                for byte in self.filled(text).bytes() {
                    let _ = self.writer.write_all(&[byte]).await;
                    tokio::task::yield_now().await;
                }
            }
            Act::Interim => drop(timeout(INTERIM, self.read_head()).await),
            Act::ResponseHead => {
                let wait = async { while self.read_head().await && !self.last_is_final() {} };
                drop(timeout(LONGEST, wait).await);
            }
            Act::Response => {
                let wait = async {
                    self.response().await;
                    self.finish_body().await;
                };
                drop(timeout(LONGEST, wait).await);
            }
            Act::Until(event) => self.call.events.until(event).await,
            Act::Mark(event) => self.call.events.mark(event),
            Act::Pause => sleep(PAUSE).await,
            Act::HalfClose => drop(self.writer.shutdown().await),
            Act::Leave => return Next::Left,
            Act::Reset => return Next::Reset,
            Act::Head(_)
            | Act::Raw(_)
            | Act::Headers(..)
            | Act::Frame(..)
            | Act::Data(_)
            | Act::Last(_)
            | Act::End
            | Act::Trailers(_) => {}
        }
        Next::Act
    }

    /// Closes or resets the connection.
    fn leave(self, next: Next) -> Seen {
        match next {
            Next::Act | Next::Left => drop(self.writer),
            Next::Reset => {
                let _ = self.reader.stream.as_ref().set_zero_linger();
                // Dropped, it would close its direction first.
                self.writer.forget();
            }
        }
        drop(self.reader);
        self.call.events.mark("left");
        Seen { responses: self.responses, connection: ConnectionState::Left }
    }

    fn head(&mut self, head: &RequestHead) {
        let version = self.version.title();
        let target = match head.target.starts_with(['/', '*']) || head.target.contains("://") {
            true => head.target.to_owned(),
            false => format!("/dcs/kyc2/{}", head.target),
        };
        let mut text = format!("{} {target} HTTP/{version}\r\n{{FIELDS}}", head.method);
        match head.framing {
            RequestFraming::NoBody => {}
            RequestFraming::Length(length) => text.push_str(&format!("Content-Length: {length}\r\n")),
            RequestFraming::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
        }
        head.fields.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        self.is_chunked = head.framing == RequestFraming::Chunked;
        let text = self.filled(&format!("{text}\r\n"));
        self.pending.push_str(&text);
    }

    /// Fills in the places of a text, and remembers the methods of the requests in it.
    fn filled(&mut self, text: &str) -> String {
        let fields = format!("Host: gateway.test\r\nSubscriptionId: {}\r\n", self.call.tenant);
        let filled = text
            .replace("{FIELDS}", &fields)
            .replace("{TENANT}", self.call.tenant)
            .replace("{PATH}", "/dcs/kyc2/applicants/1");
        let lines = filled.lines().filter(|line| line.contains(" HTTP/"));
        self.methods.extend(lines.filter_map(|line| Some(line.split(' ').next()?.to_owned())));
        filled
    }

    fn data(&mut self, data: &str) {
        match self.is_chunked {
            true => self.pending.push_str(&format!("{:x}\r\n{data}\r\n", data.len())),
            false => self.pending.push_str(data),
        }
    }

    fn end(&mut self, trailers: &[(&str, &str)]) {
        if self.is_chunked {
            let fields: String =
                trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            self.pending.push_str(&format!("0\r\n{fields}\r\n"));
        }
    }

    /// The proxy may have closed already.
    async fn flush(&mut self) {
        let text = std::mem::take(&mut self.pending);
        let _ = self.writer.write_all(text.as_bytes()).await;
    }

    fn finals(&self) -> usize {
        self.responses.iter().filter(|response| response.is_final()).count()
    }

    fn last_is_final(&self) -> bool {
        self.responses.last().is_some_and(Response::is_final)
    }

    /// Reads until a final response has begun; returns whether there is one.
    async fn response(&mut self) -> bool {
        let before = self.finals();
        while self.finals() == before {
            if !self.read_head().await {
                return false;
            }
        }
        true
    }

    /// Reads the next head, behind the rest of the last response; returns whether there is one.
    async fn read_head(&mut self) -> bool {
        self.finish_body().await;
        if self.responses.last().is_some_and(|last| last.body.state != BodyState::Complete) {
            return false;
        }
        let Some(head) = self.reader.head().await else { return false };
        let status = head.word(1).parse().unwrap_or_default();
        let method = self.methods.first().cloned().unwrap_or_default();
        let version = head.word(0).strip_prefix("HTTP/").unwrap_or("?").to_owned();
        let response = Response::begin(&version, status, &method, head.fields.clone());
        if response.is_final() && !self.methods.is_empty() {
            self.methods.remove(0);
        }
        self.framing = head.framing(Framing::Close);
        self.responses.push(response);
        true
    }

    async fn finish_body(&mut self) {
        let Some(last) = self.responses.last_mut() else { return };
        self.reader.body(&mut self.framing, &mut last.body, usize::MAX).await;
    }

    /// Makes another request, to see what became of the connection.
    async fn state(&mut self) -> ConnectionState {
        let says_close = self.responses.last().is_some_and(|last| {
            last.fields
                .iter()
                .any(|(name, value)| name == "connection" && value.eq_ignore_ascii_case("close"))
        });
        if !self.reader.is_ended && !says_close {
            let probe = self.filled("GET /dcs/kyc2/probe HTTP/1.1\r\n{FIELDS}\r\n");
            self.pending = probe;
            self.flush().await;
        }
        match timeout(LONGEST, self.reader.head()).await {
            Err(_) => ConnectionState::Silent,
            Ok(None) => ConnectionState::Closed,
            Ok(Some(head)) if head.field("x-probe").is_some() => {
                let (mut framing, mut body) = (head.framing(Framing::Close), Body::default());
                self.reader.body(&mut framing, &mut body, usize::MAX).await;
                match body.bytes == PROBE_BODY.len() {
                    true => ConnectionState::Kept,
                    false => ConnectionState::Surplus,
                }
            }
            Ok(Some(_)) => ConnectionState::Surplus,
        }
    }
}
