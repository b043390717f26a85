//! The crash test in its short form; `make crash-test` runs the long one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first failure and says what it saw"
)]

use kyc_chaos::crash::{Crash, run};
use kyc_chaos::verdict::Verdict;
use kyc_harness::certificates::install_crypto_provider;

async fn crash(gateways: usize, faults: usize) -> Verdict {
    install_crypto_provider();
    let binary = env!("CARGO_BIN_EXE_failing-gateway").into();
    let verdict = run(&Crash { binary, gateways, rate: 400, faults, at_points: 1, seed: 7 }).await.unwrap();
    println!("{gateways} gateway(s): {verdict}");
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_an_event_that_was_answered() {
    let verdict = crash(1, 6).await;

    assert!(verdict.holds() && verdict.accepted > 200, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_gateways_or_database_loses_an_event_that_was_answered() {
    let verdict = crash(3, 8).await;

    assert!(verdict.holds() && verdict.accepted > 200, "{verdict}");
}
