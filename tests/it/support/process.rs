//! What running a process takes.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::watch;

use super::gateway::Gateway;

/// Finds a binary of the workspace beside this test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("{name} is not built: run `cargo build --workspace --bins` first"))
}

/// The project's own folder of installed tools (`tests/tools/install`).
pub(crate) fn tools() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools");
    assert!(tools.exists(), "the tools are not installed: run `tests/tools/install servers` first");
    tools
}

/// Keeps what a process writes, and learns from it where it listens.
pub(super) fn follow(
    output: impl std::io::Read + Send + 'static,
    log: Arc<Mutex<String>>,
    found: Option<watch::Sender<HashMap<String, SocketAddr>>>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let (Some(found), Ok(event)) = (&found, serde_json::from_str::<Value>(&line))
                && event["message"] == "listening"
            {
                let name = event["listener"].as_str().unwrap().to_owned();
                let address = event["address"].as_str().unwrap().parse().unwrap();
                found.send_modify(|addresses| {
                    addresses.insert(name, address);
                });
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// Waits until a process runs no more; nobody may have asked yet what became of it.
pub(crate) async fn wait_for_end(pid: u32) {
    let command = format!("/proc/{pid}/cmdline");
    let ended = async {
        while std::fs::read(&command).is_ok_and(|command| !command.is_empty()) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let within = std::time::Duration::from_secs(60);
    assert!(tokio::time::timeout(within, ended).await.is_ok(), "process {pid} does not end");
}

/// Makes everything but `folder` a system that can only be read, and gives up all that root may do.
pub(super) fn confine(folder: &Path, program: &Path) -> Command {
    let own = folder.join("program");
    std::fs::copy(program, &own).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation=private", "sh", "-c"]).arg(
        "chown -R 65534:65534 \"$0\" && mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro / && exec setpriv \
         --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all \"$@\"",
    );
    command.arg(folder).arg(own);
    command
}

impl Gateway {
    /// The most memory that the process ever had, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = self.kernel("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }
}
