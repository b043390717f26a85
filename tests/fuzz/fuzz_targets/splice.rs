//! Fuzz target: the insertion of `webhook_ids` into a new check.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_plugin_onfido::fuzzing::splice;

fuzz_target!(|input: (bool, &[u8])| splice(input.1, input.0));
