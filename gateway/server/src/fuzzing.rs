//! A door for fuzzers to what reads the configuration.

use std::path::Path;

use crate::config;
use crate::plugins::build_context::BuildContext;
use crate::plugins::built_in::built_in;

/// Reads and checks a configuration; whatever is wrong with it is told.
///
/// # Panics
///
/// When neither settings nor a problem come out.
pub fn configuration(text: &str) {
    let Ok(build_context) = BuildContext::new() else { return };
    let read = config::load_text(text, Path::new("/nowhere/gateway.toml"), &built_in(), &build_context);
    if let Err(problems) = read {
        assert!(!problems.to_string().is_empty(), "refused without a reason");
    }
}
