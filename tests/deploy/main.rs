//! The files of `deploy`: units, chart, image and dashboard say what the gateway and its configuration have, and the tools that
//! will read them accept them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first failure"
)]

mod alerts;
mod chart;
mod dashboard;
mod kustomize;
mod rendered;
mod units;
mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Both outputs of a program.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// The gateway that was built beside this test.
pub(crate) fn gateway() -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("kyc-gateway");
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins", path.display());
    Command::new(path)
}

/// The default of a key that is a time in seconds.
pub(crate) fn default_seconds(section: &str, key: &str) -> u64 {
    let defaults: toml::Table = read("conf/gateway.toml").parse().unwrap();
    let value = defaults[section][key].as_str().unwrap();
    value.strip_suffix('s').and_then(|seconds| seconds.parse().ok()).unwrap()
}
