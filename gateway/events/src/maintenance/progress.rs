//! The progress of a command that reads many events.

/// Is called after each read of a command, with the number of events that are done and of all; `None` where nobody looks, so
/// that nothing is counted.
pub type OnProgress<'a> = Option<&'a (dyn Fn(usize, usize) + Send + Sync)>;
