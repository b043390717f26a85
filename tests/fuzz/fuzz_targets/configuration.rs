//! Fuzz target: the parser of the configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use kyc_gateway::fuzzing::configuration;

fuzz_target!(init: {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}, |text: &str| configuration(text));
