//! What keeps the process's memory to itself.

use std::panic::{self, PanicHookInfo};

use kyc_telemetry::Metrics;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, geteuid, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::disable_transparent_huge_pages;

/// No core file of this process, which would hold every credential; and nobody but root may look into its memory.
pub(crate) fn disable_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none).and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = limited {
        tracing::warn!(%error, "cannot disable core dumps");
    }
}

/// Says that root runs this: what goes wrong in here could then do anything to the machine.
pub(crate) fn warn_of_root() {
    if geteuid().is_root() {
        tracing::warn!(
            "the gateway runs as root and needs no root privilege; run it as an unprivileged user"
        );
    }
}

/// Memory comes in small pages. A large one is cleared while somebody waits, for a connection that needs a few buffers:
/// beside slow readers that is three times the time at the 99th percentile, and more memory.
pub(crate) fn disable_huge_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "cannot disable transparent huge pages");
    }
}

/// Lets the process have as many descriptors as the system allows it, and tells when those are fewer than connections
/// may need: each one may take one more to its upstream.
pub(crate) fn raise_descriptor_limit(connections: usize) {
    let allowed = getrlimit(Resource::Nofile);
    let all = Rlimit { current: allowed.maximum, maximum: allowed.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(OTHERS);
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed) {
        tracing::warn!(allowed, needed, "the limit of open files is lower than max_connections can need");
    }
}

/// Descriptors for logs, stores, sockets and runtimes.
const OTHERS: u64 = 256;

/// A panic costs one request or one try; it is counted, and the log says where it was. What it says itself is left out
/// unless it stands in the program, since it can quote what was handled.
pub(crate) fn log_panics(metrics: &Metrics) {
    let panics = metrics.panics.clone();
    panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        panics.inc();
        let location = panic.location().map(ToString::to_string);
        let reason = panic.payload().downcast_ref::<&'static str>().copied();
        tracing::error!(location, reason, "a task panicked");
    }));
}
