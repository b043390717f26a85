//! Bare Pingora on the system's allocator.

mod bare;

fn main() -> std::process::ExitCode {
    bare::run()
}
