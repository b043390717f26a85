//! `kyc-differential [FILTER]`: makes the exchanges through the gateway, nginx and HAProxy, and prints what differs from the
//! record. With `UPDATE_GOLDEN=1` and without a filter it writes the record anew.
#![expect(clippy::print_stdout, reason = "it prints its result")]

use std::process::ExitCode;

use kyc_differential::{Contender, Record, run};

#[tokio::main]
async fn main() -> ExitCode {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let writes = std::env::var_os("UPDATE_GOLDEN").is_some() && filter.is_empty();
    let mut record = Record::read();
    let mut count = 0;
    for contender in Contender::ALL {
        let made = run(contender, &filter).await;
        if !filter.is_empty() {
            for made in &made {
                let (upstream, caller) = (&made.outcome.upstream, &made.outcome.caller);
                println!(
                    "{}: {}\n  upstream: {upstream}\n  caller:   {caller}",
                    contender.title(),
                    made.name
                );
            }
            continue;
        }
        let differences = record.differences(contender, &made);
        println!(
            "{}: {} exchanges, {} differ from the record",
            contender.title(),
            made.len(),
            differences.len()
        );
        differences.iter().for_each(|difference| println!("{difference}"));
        count += differences.len();
        record.replace(contender, &made);
    }
    if writes {
        record.write();
    }
    if count == 0 || writes { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
