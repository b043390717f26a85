//! `webhook_ids` in a new check.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_plugin_onfido::fuzzing::splice;

fuzz_target!(|input: (bool, &[u8])| splice(input.1, input.0));
