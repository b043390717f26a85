//! Bare Pingora on mimalloc, the gateway's allocator.

mod bare;
mod job;
mod serve;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    bare::run()
}
