//! Whether a connection waits for a request or works on one, as its listener sees it.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, Response, StatusCode, header};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

use super::gate::{Places, State, lock};

tokio::task_local! {
    static TURN: Turn;
}

/// The place of the connection that the running task serves.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    places: Places,
    number: u64,
}

/// Tells the listener of each request: from its whole head to its answer its connection is not closed for another one.
#[derive(Debug)]
pub(crate) struct Turns<A> {
    inner: A,
}

/// A request that is worked on.
struct Works(Option<Turn>);

/// Serves a connection that has this place.
pub(super) async fn in_turn<T>(turn: Turn, serving: impl Future<Output = T>) -> T {
    TURN.scope(turn, serving).await
}

// === impl Turn ===

impl Turn {
    pub(super) fn new(places: &Places, number: u64) -> Self {
        Self { places: Arc::clone(places), number }
    }

    fn set(&self, state: State) {
        lock(&self.places).set(self.number, state);
    }
}

// === impl Works ===

impl Works {
    /// Begins with the request at hand. Streams of HTTP/2 have tasks of their own: their connection counts as waiting.
    fn begin() -> Self {
        let turn = TURN.try_with(Turn::clone).ok();
        if let Some(turn) = &turn {
            turn.set(State::Works);
        }
        Self(turn)
    }
}

impl Drop for Works {
    fn drop(&mut self) {
        if let Some(turn) = &self.0 {
            turn.set(State::Waits);
        }
    }
}

// === impl Turns ===

impl<A> Turns<A> {
    pub(crate) fn new(inner: A) -> Self {
        Self { inner }
    }
}

#[async_trait]
impl<A: ServeHttp + Send + Sync> ServeHttp for Turns<A> {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        kyc_proxy::end_head_guard(session);
        let _works = Works::begin();
        if let Some(refusal) = refuse_chunks(session) {
            return refusal;
        }
        self.inner.response(session).await
    }
}

/// Refuses a body in chunks, which Pingora's lax reader would have to find the end of: no page of an admin listener takes a
/// body. The connection ends, so that nothing of the body is read as the next request.
fn refuse_chunks(session: &mut ServerSession) -> Option<Response<Vec<u8>>> {
    if !session.req_header().headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    session.set_keepalive(None);
    let body = b"{\"error\":\"requests have no body here, and no Transfer-Encoding\"}\n".to_vec();
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Some(response)
}
