//! How the simulation behaves.

use std::time::Duration;

/// How the simulation behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port of 127.0.0.1; default 0, any free one.
    pub port: u16,
    /// The path before every resource; default `/v3.6`.
    pub base_path: String,
    /// From a check's creation to its completion; default 50 ms.
    pub completion: Duration,
    /// From a check's creation to the answer when it asks for `asynchronous: false`; default 1 s.
    pub synchronous_answer: Duration,
    /// How many times faster than Onfido's the clock of the retries runs; default 1.
    pub retry_clock: u32,
    /// What is kept of requests; default all.
    pub recording: Recording,
}

/// What is kept of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// Every request, with its headers and its body unless that is a file.
    Requests,
    /// Nothing, for many requests.
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
