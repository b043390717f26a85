//! What keeps the process's memory to itself.

use std::panic::{self, PanicHookInfo};

use kyc_telemetry::Metrics;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core file of this process, which would hold every credential; and nobody but root may look into its memory.
pub(crate) fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none).and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = limited {
        tracing::warn!(%error, "core dumps cannot be turned off");
    }
}

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
