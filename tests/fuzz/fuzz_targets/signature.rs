//! Fuzz target: the parser of a notification's signature.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_plugin_webhook::fuzzing::signature;

fuzz_target!(|input: (&[u8], &[u8])| signature(input.0, input.1));
