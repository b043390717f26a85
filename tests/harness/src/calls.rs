//! Calls of HTTP/1.1 over connections that stay open, the times at which they are due, and percentiles.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

/// A fixed rate: each call has a time at which it is due, whatever became of the calls before it (an open loop).
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    begun: Instant,
    rate: u64,
}

/// An answer that has arrived completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Whether the connection can take another call.
    pub keeps: bool,
}

// === impl Pace ===

impl Pace {
    /// So many calls in a second, from now on.
    pub fn start(rate: u64) -> Self {
        Self { begun: Instant::now(), rate }
    }

    /// When the call of this number is due.
    pub fn due(&self, number: u64) -> Instant {
        self.begun + Duration::from_nanos(number * 1_000_000_000 / self.rate)
    }

    /// Waits until the call of this number is due; returns the time from which its latency counts.
    ///
    /// That is the time at which it was due, also for a call that could not be sent then. For one that was waited for it is
    /// the time after waiting: the clock of the runtime is coarse, and that is not the gateway's latency.
    pub async fn wait(&self, number: u64) -> Instant {
        let due = self.due(number);
        if due <= Instant::now() {
            return due;
        }
        sleep_until(due).await;
        Instant::now()
    }
}

/// Writes a request, and reads its answer to the end. The length of the answer is that of its `Content-Length`.
///
/// # Errors
///
/// The connection broke, or the answer is no HTTP/1.1.
pub async fn call<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &[u8]) -> io::Result<Answer> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(answer) = complete(&answer)? {
            return Ok(answer);
        }
    }
}

/// A percentile of sorted times, in milliseconds.
pub fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

/// The answer, once all of it is there.
fn complete(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(bytes).map_err(io::Error::other)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let field = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let body: usize = field("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    let keeps = !field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let answer = Answer { status: head.code.unwrap_or_default(), keeps };
    Ok((bytes.len() >= length + body).then_some(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_complete_with_its_last_byte() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

        let cut = complete(&bytes[..bytes.len() - 1]).unwrap();
        let whole = complete(bytes).unwrap();

        assert_eq!((cut, whole), (None, Some(Answer { status: 200, keeps: true })));
    }

    #[test]
    fn connection_that_the_answer_closes_is_not_kept() {
        let bytes = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

        let answer = complete(bytes).unwrap();

        assert_eq!(answer, Some(Answer { status: 503, keeps: false }));
    }

    #[tokio::test(start_paused = true)]
    async fn late_calls_count_from_when_they_were_due() {
        let pace = Pace::start(1000);

        let on_time = pace.wait(5).await;
        tokio::time::advance(Duration::from_millis(20)).await;
        let late = pace.wait(6).await;

        assert_eq!((on_time, late), (pace.due(5), pace.due(6)));
    }
}
