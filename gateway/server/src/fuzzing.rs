//! The entry point for fuzzing the configuration.

use std::path::Path;

use crate::config;
use crate::plugins::build_context::BuildContext;
use crate::plugins::built_in::built_in;

/// Checks a configuration. The result must be settings or at least one problem.
///
/// # Panics
///
/// When a configuration is refused without a problem.
pub fn configuration(text: &str) {
    let Ok(build_context) = BuildContext::new() else { return };
    let read = config::load_text(text, Path::new("/nowhere/gateway.toml"), &built_in(), &build_context);
    if let Err(problems) = read {
        assert!(!problems.to_string().is_empty(), "refused without a reason");
    }
}
