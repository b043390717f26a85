//! The project's own folder of installed tools.

use std::path::{Path, PathBuf};

/// The project's own folder of installed tools (`tests/tools/install`).
///
/// # Panics
///
/// When there is none. The message has the command that installs them.
pub fn tools() -> PathBuf {
    let tools = project().join(".tools");
    assert!(tools.exists(), "the tools are not installed: run `tests/tools/install servers` first");
    tools
}

/// The project's folder.
pub fn project() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}
