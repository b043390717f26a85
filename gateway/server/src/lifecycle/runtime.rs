//! How Pingora runs the services: threads, and the time that is left at the end.

use std::path::Path;
use std::time::Duration;

use pingora::server::configuration::ServerConf;

use crate::lifecycle::drain::DRAIN_AFTER_HANDOVER;

/// `threads` for what is proxied; `drain`: how long requests may take at the end; `ca_file`: whom upstreams' certificates
/// are from, where that is not the system's choice.
pub(crate) fn conf(threads: usize, drain: Duration, ca_file: Option<&Path>) -> ServerConf {
    ServerConf {
        threads,
        // The drain ends the process before, its last words to log and collectors included.
        grace_period_seconds: Some((drain * 2 + DRAIN_AFTER_HANDOVER).as_secs() + 30),
        graceful_shutdown_timeout_seconds: Some(1),
        ca_file: ca_file.map(|file| file.to_string_lossy().into_owned()),
        max_retries: 4,
        // Names and files that are slow must not take a thread each, of 512 for each service.
        max_blocking_threads: Some(MAX_BLOCKING_THREADS),
        // Pingora's own timers read the clock when they are made and stay until they are due; tokio's do neither.
        fast_timeout_to_tokio_threshold_seconds: Some(0),
        // Else a kept upstream connection is lost whenever another thread than the one that kept it wants it, see
        // docs/adr/0011-threads-take-work-of-each-other.md.
        work_stealing: true,
        ..ServerConf::default()
    }
}

/// Threads of each service for what the system does not do without one: names, files. More than events are sent at a
/// time.
const MAX_BLOCKING_THREADS: usize = 128;
