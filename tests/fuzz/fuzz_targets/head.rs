//! Fuzz target: the strict parsers of request target and head.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_proxy::fuzzing::head;

fuzz_target!(|input: (u8, &[u8])| head(input.1, usize::from(input.0)));
