//! A portal's answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_portal::fuzzing::portal_answer;

fuzz_target!(|body: &[u8]| portal_answer(body));
