//! Checks and their outcomes in their short form; `make outcomes` runs the long one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first failure and says what it saw"
)]

use std::time::Duration;

use kyc_chaos::outcomes::{Outcomes, run};
use kyc_harness::certificates::install_crypto_provider;

#[tokio::test(flavor = "multi_thread")]
async fn every_started_check_has_an_outcome_though_notifications_are_missing_and_gateways_are_killed() {
    install_crypto_provider();
    let binary = env!("CARGO_BIN_EXE_failing-gateway").into();
    let options = Outcomes {
        binary,
        checks: 100,
        tenants: 5,
        gateways: 1,
        kills: 2,
        overdue: Duration::from_secs(3),
        seed: 1,
    };

    let verdict = run(&options).await.unwrap();

    println!("{verdict}");
    assert!(verdict.holds() && verdict.started == 100 && verdict.found > 0, "{verdict}");
    assert!(verdict.gaps.required > 0, "{verdict}");
}
