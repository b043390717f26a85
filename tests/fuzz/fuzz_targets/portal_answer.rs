//! Fuzz target: the parsers of a portal's responses to logins and deliveries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_portal::fuzzing::portal_answer;

fuzz_target!(|body: &[u8]| portal_answer(body));
