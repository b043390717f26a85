//! Fuzz target: the parsers of `Link`, `Location` and `Retry-After`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_plugin_onfido::fuzzing::links;
use kyc_portal::fuzzing::retry_after;

fuzz_target!(|field: &[u8]| {
    links(field);
    retry_after(field);
});
