//! Bare Pingora on the system's allocator.

mod bare;
mod job;
mod serve;

fn main() -> std::process::ExitCode {
    bare::run()
}
