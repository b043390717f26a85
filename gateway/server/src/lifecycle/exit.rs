//! Exits the process without loss of log lines and spans.

use std::process;

use kyc_telemetry::log::Log;
use kyc_telemetry::traces;

/// Flushes the spans and the log, at most a second each, then exits.
pub(crate) fn exit_after_flush(log: &Log, code: i32) -> ! {
    traces::end();
    log.flush();
    process::exit(code)
}
