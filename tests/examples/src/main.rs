//! The gateway with one more plugin.

use std::process::ExitCode;

fn main() -> ExitCode {
    kyc_gateway::Gateway::builder().plugin::<acme_stamp::Stamp>().run()
}
