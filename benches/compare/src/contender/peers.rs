//! nginx, HAProxy and Envoy, each with one worker. Their configurations are in `benches/compare/peers`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use kyc_harness::process::Process;

use super::start::Start;
use crate::pinned;
use crate::stage::{CONTENDER_CORE, Transport};
use crate::template;

pub(super) fn nginx(start: &Start<'_>) -> Result<Process, String> {
    let config = configure(start, "nginx.conf", include_str!("../../peers/nginx.conf"))?;
    pinned::spawn(CONTENDER_CORE, Path::new("nginx"), &["-c".to_owned(), config], Stdio::null())
}

/// It writes its access log to standard output, which is a file here.
pub(super) fn haproxy(start: &Start<'_>) -> Result<Process, String> {
    let config = configure(start, "haproxy.cfg", include_str!("../../peers/haproxy.cfg"))?;
    configure(start, "credentials.map", include_str!("../../peers/credentials.map"))?;
    let failed = |error: std::io::Error| format!("{}: {error}", start.folder.display());
    if start.stage.transport == Transport::Tls {
        let files = ["certificate.pem", "key.pem"].map(|file| start.authority.folder().join(file));
        let [certificate, key] = files.map(fs::read);
        let combined = [certificate.map_err(failed)?, key.map_err(failed)?].concat();
        fs::write(start.folder.join("combined.pem"), combined).map_err(failed)?;
    }
    let log = File::create(start.folder.join("access.log")).map_err(failed)?;
    let arguments = ["-db".to_owned(), "-f".to_owned(), config];
    pinned::spawn(CONTENDER_CORE, Path::new("haproxy"), &arguments, log.into())
}

pub(super) fn envoy(start: &Start<'_>) -> Result<Process, String> {
    let config = configure(start, "envoy.yaml", include_str!("../../peers/envoy.yaml"))?;
    let options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "critical", "-c"];
    let arguments: Vec<String> = options.map(str::to_owned).into_iter().chain([config]).collect();
    pinned::spawn(CONTENDER_CORE, &envoy_program(), &arguments, Stdio::null())
}

/// Writes a configuration file, and returns its path.
fn configure(start: &Start<'_>, file: &str, template: &str) -> Result<String, String> {
    let path = start.folder.join(file);
    template::write(&path, template, start.stage.transport, &start.values())?;
    Ok(path.display().to_string())
}

/// The one that `tests/tools/install` installs, else that of the system.
fn envoy_program() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/python-bench/bin/envoy");
    if installed.is_file() { installed } else { PathBuf::from("envoy") }
}
