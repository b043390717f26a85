//! Whether a connection waits for a request or works on one, as its listener sees it.

use std::sync::Arc;

use async_trait::async_trait;
use http::Response;
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
        kyc_proxy::head_is_whole(session);
        let _works = Works::begin();
        self.inner.response(session).await
    }
}
