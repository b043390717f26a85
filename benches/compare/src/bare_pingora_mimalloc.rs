//! Bare Pingora on mimalloc, the gateway's allocator.

mod bare;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    bare::run()
}
