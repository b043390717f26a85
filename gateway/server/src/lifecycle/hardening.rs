//! Process hardening: core dumps, ptrace, huge pages, descriptor limit, panic hook.

use std::panic::{self, PanicHookInfo};

use kyc_telemetry::Metrics;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, geteuid, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::disable_transparent_huge_pages;

/// Disables core dumps and ptrace: a core file or a debugger would reveal every credential.
pub(crate) fn disable_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none).and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = limited {
        tracing::warn!(%error, "cannot disable core dumps");
    }
}

/// Warns when the process runs as root, because a flaw in it would then give access to the whole machine.
pub(crate) fn warn_of_root() {
    if geteuid().is_root() {
        tracing::warn!(
            "the gateway runs as root and needs no root privilege; run it as an unprivileged user"
        );
    }
}

/// Disables transparent huge pages. The kernel clears a whole huge page for a connection that needs a few buffers: under many
/// slow readers that tripled the p99 latency, and used more memory.
pub(crate) fn disable_huge_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "cannot disable transparent huge pages");
    }
}

/// Raises the descriptor limit to the hard limit, and warns when that is less than the connections can need: each can need a
/// second descriptor for its upstream connection.
pub(crate) fn raise_descriptor_limit(connections: usize) {
    let allowed = getrlimit(Resource::Nofile);
    let all = Rlimit { current: allowed.maximum, maximum: allowed.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let needed =
        u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(OTHER_DESCRIPTORS);
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed) {
        tracing::warn!(allowed, needed, "the limit of open files is lower than max_connections can need");
    }
}

/// File descriptors for logs, stores, sockets and runtimes.
const OTHER_DESCRIPTORS: u64 = 256;

/// Counts and logs each panic with its location. The message is logged only when it is a constant of the program, because a
/// formatted one can quote request data.
pub(crate) fn log_panics(metrics: &Metrics) {
    let panics = metrics.panics.clone();
    panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        panics.inc();
        let location = panic.location().map(ToString::to_string);
        let reason = panic.payload().downcast_ref::<&'static str>().copied();
        tracing::error!(location, reason, "a task panicked");
    }));
}
