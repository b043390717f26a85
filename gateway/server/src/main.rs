//! The gateway with its built-in plugins.

use std::process::ExitCode;

use kyc_gateway::Gateway;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    Gateway::builder().run()
}
