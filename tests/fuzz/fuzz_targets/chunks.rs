//! Fuzz target: the strict reader of chunk lines and trailers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_proxy::fuzzing::chunks;

fuzz_target!(|input: (u8, &[u8])| chunks(input.1, usize::from(input.0)));
