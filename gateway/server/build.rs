//! Passes the commit, its date and the compiler to the program, for `--version`, the log and the metric of builds.
//!
//! The commit and its date come from the repository, in an archive of `git archive` from `commit.txt`, and elsewhere from the
//! variables `KYC_GATEWAY_COMMIT` and `KYC_GATEWAY_COMMIT_DATE`. The time of the build is not passed: two builds of a commit must
//! be the same bytes.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    for file in ["build.rs", ARCHIVED] {
        println!("cargo::rerun-if-changed={file}");
    }
    for variable in [COMMIT, DATE] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let (commit, date) = from_environment()
        .or_else(|| from_archive(&package))
        .or_else(|| from_repository(&package))
        .unwrap_or_else(|| ("unknown".to_owned(), "unknown".to_owned()));
    let mut features: Vec<String> = env::vars()
        .filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase))
        .map(|feature| feature.replace('_', "-"))
        .collect();
    features.sort();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    let compiler = text(Command::new(env::var("RUSTC")?).arg("--version"));
    for (name, value) in [
        ("COMMIT", commit),
        ("DATE", date),
        ("COMPILER", compiler.unwrap_or_else(|| "unknown".to_owned())),
        ("TARGET", env::var("TARGET")?),
        ("PROFILE", env::var("PROFILE")?),
        ("FEATURES", features),
    ] {
        println!("cargo::rustc-env=KYC_GATEWAY_BUILD_{name}={value}");
    }
    Ok(())
}

fn from_environment() -> Option<(String, String)> {
    let commit = env::var(COMMIT).ok().filter(|commit| !commit.is_empty())?;
    Some((
        commit,
        env::var(DATE).ok().filter(|date| !date.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
    ))
}

/// Reads what `git archive` wrote in place of its pattern (gitattributes(5), `export-subst`).
fn from_archive(package: &Path) -> Option<(String, String)> {
    let written = fs::read_to_string(package.join(ARCHIVED)).ok()?;
    let (commit, date) = written.trim().split_once(' ')?;
    (!commit.starts_with('$')).then(|| (commit.to_owned(), date.to_owned()))
}

/// Asks git. A commit whose files were changed before the build ends in `-dirty`.
fn from_repository(package: &Path) -> Option<(String, String)> {
    let git = |arguments: &[&str]| {
        // Without optional locks, a build does not disturb other commands in the repository.
        text(Command::new("git").arg("--no-optional-locks").args(arguments).current_dir(package))
    };
    let found = git(&["log", "-1", "--format=%H %cI"])?;
    let (commit, date) = found.split_once(' ')?;
    // The log of HEAD changes with each commit and checkout; in a work tree both are elsewhere than in `.git`.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).map(|path| package.join(path))
            && path.exists()
        {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    // Only what the program is built from: a changed page or test makes no other program.
    for source in SOURCES {
        println!("cargo::rerun-if-changed=../../{source}");
    }
    let sources = SOURCES.map(|source| format!(":/{source}"));
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(sources.iter().map(String::as_str));
    let dirty = if git(&status)?.is_empty() { "" } else { "-dirty" };
    Some((format!("{commit}{dirty}"), date.to_owned()))
}

/// What a program prints, without the last line break; `None` if it fails or is not installed.
fn text(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The file that `git archive` writes the commit into.
const ARCHIVED: &str = "commit.txt";
const COMMIT: &str = "KYC_GATEWAY_COMMIT";
const DATE: &str = "KYC_GATEWAY_COMMIT_DATE";
const SOURCES: [&str; 5] = ["gateway", "plugins", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];
