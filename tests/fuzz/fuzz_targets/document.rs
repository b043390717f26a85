//! Fuzz target: the parser of the tenant document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_tenants::Document;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = Document::parse(bytes, None) {
        assert!(!error.to_string().is_empty(), "refused without a reason");
    }
});
