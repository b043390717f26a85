//! `http-exchanges.md`: the recorded outcomes of exchanges through the gateway and its peers.

use kyc_differential::{Record, page};

use crate::pages::assert_generated;

#[test]
fn the_page_of_exchanges_is_what_was_recorded() {
    let record = Record::read();

    assert_generated("http-exchanges.md", "the recorded exchanges", &page(&record));
}
