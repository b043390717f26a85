//! Every exchange through the gateway has the recorded outcome. `UPDATE_GOLDEN=1` writes the gateway's outcomes anew.

use kyc_differential::{Contender, Record, run};

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_through_the_gateway_have_the_recorded_outcomes() {
    let mut record = Record::read();

    let made = run(Contender::Gateway, "").await;

    let differences = record.differences(Contender::Gateway, &made);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        record.replace(Contender::Gateway, &made);
        record.write();
        return;
    }
    assert!(made.len() >= 80, "{} exchanges", made.len());
    assert!(differences.is_empty(), "write them anew with UPDATE_GOLDEN=1:\n{}", differences.join("\n"));
}
