//! The gateway with two more plugins.

use std::process::ExitCode;

fn main() -> ExitCode {
    kyc_gateway::Gateway::builder().plugin::<acme_stamp::Stamp>().plugin::<acme_stamp::Blocklist>().run()
}
