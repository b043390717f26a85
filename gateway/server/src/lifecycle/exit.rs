//! The end of the process.

use std::process;

use kyc_telemetry::log::Log;
use kyc_telemetry::traces;

/// Ends the process, as soon as what it has to say is said.
pub(crate) fn exit_after_flush(log: &Log, code: i32) -> ! {
    traces::end();
    log.flush();
    process::exit(code)
}
