//! Callers with HTTP/2 over TLS.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use tokio::time::timeout;

use super::seen::{Call, ConnectionState, INTERIM, Response, Seen};
use crate::case::Case;
use crate::events::LONGEST;
use crate::message::BodyState;
use crate::script::{Act, RequestFraming, RequestHead};

/// One stream.
struct Stream {
    method: String,
    future: ResponseFuture,
    send: SendStream<Bytes>,
    receive: Option<RecvStream>,
    is_failed: bool,
}

pub(super) async fn make(call: Call<'_>, case: &Case) -> Seen {
    let stream = call.authority.connect(call.tls, b"h2").await;
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut responses = Vec::new();
    let mut stream = None;
    for act in &case.acts {
        match (act, &mut stream) {
            (Act::Head(head), _) => stream = Some(Stream::open(&mut requests, &call, head).await),
            (Act::Leave | Act::Reset, Some(stream)) => {
                stream.send.send_reset(Reason::CANCEL);
                call.events.mark("left");
                let connection = state(&mut requests, &call).await;
                return Seen { responses, connection };
            }
            (Act::Until(event), _) => call.events.until(event).await,
            (Act::Mark(event), _) => call.events.mark(event),
            (act, Some(stream)) => stream.act(act, &mut responses).await,
            (_, None) => {}
        }
    }
    if let Some(stream) = &mut stream {
        let _ = timeout(LONGEST, stream.finish(&mut responses)).await;
    }
    call.events.mark("end");
    Seen { responses, connection: state(&mut requests, &call).await }
}

/// Makes another request, to see what became of the connection.
async fn state(requests: &mut SendRequest<Bytes>, call: &Call<'_>) -> ConnectionState {
    let head =
        RequestHead { method: "GET", target: "probe", fields: Vec::new(), framing: RequestFraming::NoBody };
    let Ok(Ok((future, _))) = timeout(LONGEST, async {
        let mut ready = requests.clone().ready().await?;
        ready.send_request(request(call, &head), true)
    })
    .await
    else {
        return ConnectionState::Closed;
    };
    match timeout(LONGEST, future).await {
        Err(_) => ConnectionState::Silent,
        Ok(Err(_)) => ConnectionState::Closed,
        Ok(Ok(response)) if response.headers().contains_key("x-probe") => ConnectionState::Kept,
        Ok(Ok(_)) => ConnectionState::Surplus,
    }
}

fn request(call: &Call<'_>, head: &RequestHead) -> Request<()> {
    let uri: Uri = format!("https://gateway.test/dcs/kyc2/{}", head.target).parse().unwrap();
    let mut request = Request::builder().method(head.method).uri(uri).header("subscriptionid", call.tenant);
    if let RequestFraming::Length(length) = head.framing {
        request = request.header("content-length", length);
    }
    for (name, value) in &head.fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

// === impl Stream ===

impl Stream {
    async fn open(requests: &mut SendRequest<Bytes>, call: &Call<'_>, head: &RequestHead) -> Self {
        let mut ready = requests.clone().ready().await.unwrap();
        let is_whole = head.framing == RequestFraming::NoBody;
        let (future, send) = ready.send_request(request(call, head), is_whole).unwrap();
        Self { method: head.method.to_owned(), future, send, receive: None, is_failed: false }
    }

    async fn act(&mut self, act: &Act, responses: &mut Vec<Response>) {
        // The proxy may have reset the stream already.
        match act {
            Act::Data(data) => drop(self.send.send_data(Bytes::from_static(data.as_bytes()), false)),
            Act::Last(data) => drop(self.send.send_data(Bytes::from_static(data.as_bytes()), true)),
            Act::End => drop(self.send.send_data(Bytes::new(), true)),
            Act::Trailers(fields) => drop(self.send.send_trailers(map(fields))),
            Act::Interim => drop(timeout(INTERIM, self.next_head(responses)).await),
            Act::ResponseHead => {
                let wait = async { while self.receive.is_none() && self.next_head(responses).await {} };
                drop(timeout(LONGEST, wait).await);
            }
            Act::Response => drop(timeout(LONGEST, self.finish(responses)).await),
            Act::Head(_)
            | Act::Raw(_)
            | Act::Bytewise(_)
            | Act::Headers(..)
            | Act::Frame(..)
            | Act::Until(_)
            | Act::Mark(_)
            | Act::Pause
            | Act::Leave
            | Act::HalfClose
            | Act::Reset => {}
        }
    }

    /// Reads the next head; returns whether there is one.
    async fn next_head(&mut self, responses: &mut Vec<Response>) -> bool {
        if self.receive.is_some() || self.is_failed {
            return false;
        }
        match poll_fn(|context| self.poll_head(context)).await {
            Some((status, headers, receive)) => {
                self.receive = receive;
                let mut response = Response::begin("2", status, &self.method, fields(&headers));
                if self.receive.as_ref().is_some_and(RecvStream::is_end_stream) {
                    response.body.state = BodyState::Complete;
                }
                responses.push(response);
                true
            }
            None => {
                self.is_failed = true;
                false
            }
        }
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Option<(u16, HeaderMap, Option<RecvStream>)>> {
        if let Poll::Ready(Some(Ok(interim))) = self.future.poll_informational(context) {
            return Poll::Ready(Some((interim.status().as_u16(), interim.headers().clone(), None)));
        }
        match Pin::new(&mut self.future).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(None),
            Poll::Ready(Ok(response)) => {
                let (parts, body) = response.into_parts();
                Poll::Ready(Some((parts.status.as_u16(), parts.headers, Some(body))))
            }
        }
    }

    /// Reads the final response to its end.
    async fn finish(&mut self, responses: &mut Vec<Response>) {
        while self.receive.is_none() {
            if !self.next_head(responses).await {
                return;
            }
        }
        let (Some(receive), Some(response)) = (&mut self.receive, responses.last_mut()) else { return };
        while let Some(piece) = receive.data().await {
            let Ok(piece) = piece else {
                response.body.state = BodyState::CutOff;
                return;
            };
            let _ = receive.flow_control().release_capacity(piece.len());
            response.body.bytes += piece.len();
        }
        match receive.trailers().await {
            Ok(trailers) => {
                response.body.trailers = trailers.as_ref().map(fields).unwrap_or_default();
                response.body.state = BodyState::Complete;
            }
            Err(_) => response.body.state = BodyState::CutOff,
        }
    }
}

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_static(value)))
        .collect()
}

fn fields(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}
