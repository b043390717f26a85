//! The gateway, which kills itself at the point that `FAIL_AT=NAME:COUNT` names, at its so many-th passage.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use kyc_gateway::Gateway;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    if let Ok(wanted) = std::env::var(kyc_chaos::gateway::POINT)
        && let Some((name, count)) = wanted.split_once(':')
        && let Ok(count) = count.parse::<u32>()
    {
        let left = AtomicU32::new(count);
        let armed = fail::cfg_callback(name, move || {
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                // As by `kill -9`: nothing is flushed, nothing is told.
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            }
        });
        if armed.is_err() {
            return ExitCode::FAILURE;
        }
    }
    Gateway::builder().run()
}
