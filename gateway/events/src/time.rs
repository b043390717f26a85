//! Times in the store, as milliseconds since the Unix epoch.

/// Milliseconds since the Unix epoch, by the system's clock.
pub type Millis = i64;

/// Returns the time of the system's clock.
pub fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
