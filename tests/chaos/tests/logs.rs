//! The test of log files in its short form.
#![allow(clippy::unwrap_used, reason = "a test stops at the first failure")]

use kyc_chaos::logs::{Logs, run};
use kyc_harness::certificates::install_crypto_provider;

#[tokio::test(flavor = "multi_thread")]
async fn log_files_are_as_serilog_leaves_them() {
    install_crypto_provider();
    let binary = kyc_harness::gateway::binary("kyc-gateway");

    let found = run(&Logs { binary, rate: 2000, seconds: 9, roll_size: 512 * 1024 }).await.unwrap();

    println!("{found}");
    assert!(found.wrong.is_empty(), "{found}");
}
