//! The settings of the simulated Onfido.

use std::time::Duration;

/// The settings of the simulated Onfido.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port of 127.0.0.1; default 0, which selects a free one.
    pub port: u16,
    /// The path before every resource; default `/v3.6`.
    pub base_path: String,
    /// The time from a check's creation to its completion; default 50 ms.
    pub completion: Duration,
    /// The time until the response to a check with `asynchronous: false`; default 1 s.
    pub synchronous_answer: Duration,
    /// The factor by which retries are faster than Onfido's; default 1.
    pub retry_clock: u32,
    /// Which requests are recorded; default all.
    pub recording: Recording,
}

/// Which requests are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// All requests, with headers and bodies except those of files.
    Requests,
    /// No requests, to save memory under load.
    Nothing,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            base_path: "/v3.6".to_owned(),
            completion: Duration::from_millis(50),
            synchronous_answer: Duration::from_secs(1),
            retry_clock: 1,
            recording: Recording::Requests,
        }
    }
}
