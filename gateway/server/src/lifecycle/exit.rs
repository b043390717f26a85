//! The end of the process.

use std::process;

use kyc_telemetry::log::Log;
use kyc_telemetry::traces;

/// Flushes spans and the log, then exits.
pub(crate) fn exit_after_flush(log: &Log, code: i32) -> ! {
    traces::end();
    log.flush();
    process::exit(code)
}
