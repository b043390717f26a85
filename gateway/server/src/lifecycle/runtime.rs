//! Pingora's server configuration: threads, and the timeouts of the shutdown.

use std::path::Path;
use std::time::Duration;

use pingora::server::configuration::ServerConf;

use crate::lifecycle::drain::DRAIN_AFTER_HANDOVER;

/// Builds the configuration. `threads` is the number of worker threads of the proxy, `drain` the drain timeout, and `ca_file` has the
/// certificate authorities of upstreams, which replace those of the system.
pub(crate) fn conf(threads: usize, drain: Duration, ca_file: Option<&Path>) -> ServerConf {
    ServerConf {
        threads,
        // Only an upper bound: the drain exits the process earlier, after it has flushed log and spans.
        grace_period_seconds: Some((drain * 2 + DRAIN_AFTER_HANDOVER).as_secs() + 30),
        graceful_shutdown_timeout_seconds: Some(1),
        ca_file: ca_file.map(|file| file.to_string_lossy().into_owned()),
        max_retries: 4,
        // Slow name resolution or file access must not use up to 512 threads (tokio's default) per service.
        max_blocking_threads: Some(MAX_BLOCKING_THREADS),
        // Use tokio's timers only: Pingora's read the clock when created and stay in memory until they fire, even if cancelled.
        fast_timeout_to_tokio_threshold_seconds: Some(0),
        // Threads that share tasks wake each other, which a single thread need not. Several share them, so that a thread that is
        // held up holds up nothing else (docs/adr/0034-idle-connections-are-held-by-the-gateway.md).
        work_stealing: threads > 1,
        ..ServerConf::default()
    }
}

/// Blocking threads per service, for name resolution and files; more than the number of concurrent deliveries.
const MAX_BLOCKING_THREADS: usize = 128;
