//! Starts processes for tests, and waits for their end.

use std::ffi::OsString;
use std::path::Path;

use kyc_harness::gateway::Launch;

/// Waits until a process has ended; it may still be a zombie.
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

/// Starts a process without capabilities on a file system where only the configuration's folder is writable.
pub(super) fn confined(program: &Path, config: &Path) -> Launch {
    let folder = config.parent().unwrap();
    let own = folder.join("program");
    std::fs::copy(program, &own).unwrap();
    let script = "chown -R 65534:65534 \"$0\" && mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro / && exec setpriv \
                  --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all \"$@\"";
    let unshare = ["unshare", "--mount", "--propagation=private", "sh", "-c", script].map(OsString::from);
    Launch::new(own, config).through(unshare.into_iter().chain([folder.into()]))
}
