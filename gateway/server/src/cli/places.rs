//! Tries the addresses and folders of a configuration, for `check --live`. Nothing is created or changed.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Access, access};

use crate::config::{Place, Settings};

/// Tries every address and folder. Returns what is worth a line, and what would stop the gateway from starting.
pub(crate) fn try_all(settings: &Settings) -> (Vec<String>, Vec<String>) {
    let listeners = settings.listeners.iter().enumerate();
    let listeners =
        listeners.map(|(place, listener)| (format!("listeners[{place}].address"), listener.address));
    let operations = match &settings.admin.operations {
        Place::At(address, _) => Some(("admin.operations.address".to_owned(), *address)),
        Place::Off | Place::WithProbes => None,
    };
    let admin = [("admin.address".to_owned(), settings.admin.address)];
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    let file = settings.origin.file.display();
    for (key, address) in listeners.chain(admin).chain(operations) {
        match try_address(address) {
            Tried::Usable => notes.push(format!("{key}: {address} is free")),
            Tried::InUse => {
                notes.push(format!("{key}: {address} is in use, by a running gateway or another program"))
            }
            Tried::Unusable(reason) => {
                problems.push(format!("{file}: {key}: cannot listen at {address}: {reason}"))
            }
        }
    }
    for (key, path) in written(settings) {
        let folder = existing_folder(path);
        match access(&folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => notes.push(format!("{key}: {} can be written", folder.display())),
            Err(error) => problems.push(format!(
                "{file}: {key}: {} cannot be written: {error}: let the gateway's user write there, or name another path",
                folder.display()
            )),
        }
    }
    (notes, problems)
}

/// The keys and paths of the files that the gateway creates. Log files are left out: the tenant document names them.
fn written(settings: &Settings) -> Vec<(&'static str, &Path)> {
    let store = match (&settings.delivery, &settings.store_file) {
        (Some(_), Some(file)) => Some(("events.path", file.as_path())),
        // In the database, audit records are too.
        (Some(_), None) => None,
        (None, _) => Some(("admin.audit_file", settings.admin.audit_file.as_path())),
    };
    let socket = settings.admin.socket.iter().map(|(path, _)| ("admin.operations.socket", path.as_path()));
    store.into_iter().chain(socket).collect()
}

/// Whether the gateway could listen at an address.
enum Tried {
    Usable,
    InUse,
    Unusable(String),
}

fn try_address(address: SocketAddr) -> Tried {
    match TcpListener::bind(address) {
        Ok(_) => Tried::Usable,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Tried::InUse,
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
            Tried::Unusable(format!("{error}: no interface of this machine has it"))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Tried::Unusable(format!("{error}: ports below 1024 need CAP_NET_BIND_SERVICE, or a socket unit"))
        }
        Err(error) => Tried::Unusable(error.to_string()),
    }
}

/// The folder of a file, or the nearest one above it that exists: the gateway creates what is missing. The paths of a configuration
/// that is named without a folder are relative to the current one.
fn existing_folder(file: &Path) -> PathBuf {
    let file = absolute(file).unwrap_or_else(|_| file.to_owned());
    file.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_in_use_is_told_apart_from_one_of_another_machine() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();

        let in_use = try_address(taken.local_addr().unwrap());
        // RFC 5737: no machine has an address of this network.
        let foreign = try_address("192.0.2.1:0".parse().unwrap());
        let free = try_address("127.0.0.1:0".parse().unwrap());

        assert!(matches!(in_use, Tried::InUse));
        assert!(
            matches!(foreign, Tried::Unusable(reason) if reason.ends_with("no interface of this machine has it"))
        );
        assert!(matches!(free, Tried::Usable));
    }

    #[test]
    fn folder_that_is_missing_is_tried_at_the_nearest_one_above() {
        let folder = tempfile::tempdir().unwrap();

        assert_eq!(existing_folder(&folder.path().join("a/b/events.db")), folder.path());
        assert_eq!(existing_folder(&folder.path().join("events.db")), folder.path());
    }

    /// `check --live --config gateway.toml` tried the root, which only root can write.
    #[test]
    fn relative_path_is_tried_in_the_current_folder() {
        let here = std::env::current_dir().unwrap();

        assert_eq!(existing_folder(Path::new("missing/events.db")), here);
        assert_eq!(existing_folder(Path::new("events.db")), here);
    }
}
