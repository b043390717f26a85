//! A week in its short form; `make week` runs the long one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first failure and says what it saw"
)]

use kyc_chaos::week::{Week, run};
use kyc_harness::certificates::install_crypto_provider;

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_event_is_accounted_for_whatever_fails() {
    install_crypto_provider();
    let binary = env!("CARGO_BIN_EXE_failing-gateway").into();

    let verdict = run(&Week::short(binary, 1)).await.unwrap();

    println!("{verdict}");
    assert!(verdict.holds() && verdict.accepted > 200, "{verdict}");
}
