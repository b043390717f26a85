//! Chaos tests of stored notifications: a simulated Onfido that sends until it is answered 200, gateways and databases
//! that are killed, portals that note durably what they took, and a verdict over all three.

pub mod abuse;
pub mod backups;
pub mod crash;
pub mod fleet;
pub mod gateway;
pub mod logs;
pub mod notification;
pub mod outcomes;
pub mod pressure;
pub mod sender;
pub mod soak;
pub mod uploads;
pub mod upstream;
pub mod verdict;
pub mod week;

use std::fmt;

/// Why a test has no result.
#[derive(Debug)]
pub struct Failure(pub String);

// === impl Failure ===

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl<E: std::error::Error> From<(&str, E)> for Failure {
    fn from((what, error): (&str, E)) -> Self {
        Self(format!("{what}: {error}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Says what goes on, where people watch.
#[expect(clippy::print_stderr, reason = "these tests take minutes, and show that they go on")]
pub fn progress(text: &str) {
    eprintln!("{text}");
}
