//! `Expect: 100-continue` (RFC 9110 §10.1.1): the caller sends the body only after an interim response.
//!
//! The gateway answers 100 once the body is going to be read, since Pingora does not do so by itself. Over HTTP/2 it cannot:
//! Pingora's session sends no interim responses and does not give access to the stream, although the library h2 could send them.
//! Most callers send the body after a second without a response and are served. One that waits longer gets 417, which asks it to
//! repeat the request without the expectation (§10.1.1), instead of waiting until the body times out.

use std::pin::pin;
use std::time::Duration;

use http::{Version, header};
use kyc_model::ProblemKind;
use pingora::protocols::http::ServerSession;
use pingora::{Error, Result};
use tokio::time::{Instant, timeout_at};

use crate::error::refuse;
use crate::write_timeout::write_within;

/// The deadline for the first piece of the body, if the caller may be waiting for a 100 that cannot be sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BodyExpectation(Option<Instant>);

/// Answers an expectation before the body is read. HTTP/1.0 ignores it (RFC 9110 §10.1.1).
///
/// # Errors
///
/// The caller has disconnected.
pub(crate) async fn send_continue(session: &mut ServerSession) -> Result<BodyExpectation> {
    if session.get_header(header::EXPECT).is_none() {
        return Ok(BodyExpectation::default());
    }
    let version = session.req_header().version;
    match version {
        Version::HTTP_11 => {
            let limit = session.get_write_timeout();
            // Else Pingora would end the connection with the response, because the body is not there yet.
            session.set_close_on_response_before_downstream_finish(false);
            let written = write_within(limit, pin!(session.write_continue_response())).await;
            session.set_close_on_response_before_downstream_finish(true);
            written.map_err(Error::into_down)?;
            Ok(BodyExpectation::default())
        }
        // In a retry the body may have begun already.
        Version::HTTP_2 if !session.is_body_done() && session.body_bytes_read() == 0 => {
            Ok(BodyExpectation(Some(Instant::now() + LONGEST_WAIT)))
        }
        _ => Ok(BodyExpectation::default()),
    }
}

// === impl BodyExpectation ===

impl BodyExpectation {
    /// Reads a piece of the body with `read`. The first one has until the deadline.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::ExpectationFailed`] after the deadline; the error of `read`.
    pub(crate) async fn bound<T>(self, read: impl Future<Output = Result<T>>) -> Result<T> {
        let Self(Some(deadline)) = self else { return read.await };
        // Boxed, so that a body without an expectation does not carry the timer.
        Box::pin(timeout_at(deadline, read)).await.map_err(|_| {
            refuse(
                ProblemKind::ExpectationFailed,
                "the caller waits for 100, which HTTP/2 callers do not get",
            )
        })?
    }

    /// Ends the deadline: the body has begun.
    pub(crate) fn met(&mut self) {
        self.0 = None;
    }
}

/// Longer than the second for which callers commonly wait, and shorter than the default of `body_grace`, after which a buffered body
/// gets 408.
const LONGEST_WAIT: Duration = Duration::from_millis(1500);
