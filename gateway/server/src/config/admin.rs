//! The admin side: probes and metrics, and where operations are.

use std::net::SocketAddr;
use std::path::PathBuf;

use kyc_model::SecretSource;
use kyc_plugin_api::Warnings;

use super::listeners::{self, Unrouted};
use super::raw::{Admin, RawLogin, RawOperations, SocketMode};
use super::{Folder, tls};
use crate::admin::{HostName, Login, Proof};
use crate::decoding::Problems;
use crate::listeners::TlsFiles;

/// Where probes, metrics and operations are.
pub(crate) struct AdminSettings {
    pub(crate) address: SocketAddr,
    /// Names besides its own that are answered to.
    pub(crate) hosts: Vec<HostName>,
    /// Where audit records are, when no route has a store for them.
    pub(crate) audit_file: PathBuf,
    pub(crate) operations: Place,
    pub(crate) socket: Option<(PathBuf, u32)>,
    pub(crate) logins: Vec<Login>,
}

/// Where operations are, besides a socket.
pub(crate) enum Place {
    /// Nowhere.
    Off,
    /// With the probes.
    WithProbes,
    /// At an address of their own.
    At(SocketAddr, Option<TlsFiles>),
}

// === impl AdminSettings ===

impl AdminSettings {
    /// The ports of the gateway's own that are taken.
    pub(super) fn ports(&self) -> Vec<u16> {
        let own = match &self.operations {
            Place::At(address, _) => Some(address.port()),
            Place::Off | Place::WithProbes => None,
        };
        own.into_iter().chain([self.address.port()]).collect()
    }
}

/// Checks the section `admin`.
pub(super) fn check(
    raw: &Admin,
    folder: &Folder,
    others: &[Unrouted],
    warnings: &Warnings,
    problems: &mut Problems,
) -> Option<AdminSettings> {
    let address = listeners::address("admin.address", &raw.address, others, problems);
    let mut hosts = Vec::with_capacity(raw.hosts.len());
    for (place, text) in raw.hosts.iter().enumerate() {
        match HostName::parse(text) {
            Some(host) => hosts.push(host),
            None => problems.add(
                format!("admin.hosts[{place}]"),
                format!("`{text}` is no name such as gateway.internal or gateway.internal:9464"),
            ),
        }
    }
    let operations = &raw.operations;
    let logins = logins(operations, folder, problems);
    let place = place(operations, address, folder, others, warnings, problems);
    if matches!(place, Some(Place::Off)) && !logins.is_empty() {
        let reason = "nobody can use them: set admin.operations.address, or keep admin.address on loopback";
        problems.add("admin.operations.logins", reason);
    }
    let socket =
        operations.socket.as_deref().map(|path| (folder.resolve(path), operations.socket_mode.bits()));
    let audit_file = folder.resolve(&raw.audit_file);
    Some(AdminSettings { address: address?, hosts, audit_file, operations: place?, socket, logins })
}

fn place(
    raw: &RawOperations,
    probes: Option<SocketAddr>,
    folder: &Folder,
    others: &[Unrouted],
    warnings: &Warnings,
    problems: &mut Problems,
) -> Option<Place> {
    let Some(text) = &raw.address else {
        if raw.tls.is_some() {
            problems.add(
                "admin.operations.tls",
                "needs admin.operations.address, where operations have a listener",
            );
        }
        // A socket is asked for instead.
        let is_local = raw.socket.is_none() && probes.is_some_and(|address| address.ip().is_loopback());
        return Some(if is_local { Place::WithProbes } else { Place::Off });
    };
    let path = "admin.operations.address";
    let address = listeners::address(path, text, others, problems)?;
    if probes.is_some_and(|probes| probes == address && probes.port() != 0) {
        problems.add(path, format!("`{text}` is taken by admin.address"));
    }
    let tls =
        raw.tls.as_ref().map(|tls| tls::of_listener(tls, "admin.operations.tls", folder, warnings, problems));
    if !address.ip().is_loopback() {
        if raw.logins.is_empty() {
            let reason = format!(
                "`{text}` can be reached from other machines: operations need a login there; name some under \
                 [[admin.operations.logins]], or use admin.operations.socket"
            );
            problems.add("admin.operations.logins", reason);
        }
        if raw.tls.is_none() {
            let reason = format!(
                "`{text}` can be reached from other machines: tokens would travel in the clear; set certificate_file \
                 and key_file here, or use an address on loopback"
            );
            problems.add("admin.operations.tls", reason);
        }
    }
    Some(Place::At(address, tls))
}

fn logins(raw: &RawOperations, folder: &Folder, problems: &mut Problems) -> Vec<Login> {
    let mut checked: Vec<Login> = Vec::with_capacity(raw.logins.len());
    for (place, login) in raw.logins.iter().enumerate() {
        let path = format!("admin.operations.logins[{place}]");
        let is_name = |character: char| character.is_ascii_alphanumeric() || "-_.@".contains(character);
        if login.name.is_empty() || !login.name.chars().all(is_name) {
            problems.add(format!("{path}.name"), "must be a name of letters, digits and -_.@");
        }
        if checked.iter().any(|other| other.name == login.name) {
            problems.add(format!("{path}.name"), format!("`{}` is taken by another login", login.name));
        }
        match proof(login, raw, folder) {
            Ok(proof) => checked.push(Login { name: login.name.clone(), role: login.role, proof }),
            Err((key, reason)) => problems.add(format!("{path}{key}"), reason),
        }
    }
    checked
}

fn proof(login: &RawLogin, raw: &RawOperations, folder: &Folder) -> Result<Proof, (&'static str, String)> {
    match (&login.token_file, &login.certificate) {
        (Some(file), None) => {
            let file = folder.resolve(file);
            match SecretSource::File(file.clone()).read() {
                Ok(_) => Ok(Proof::Token(file)),
                Err(error) => Err((".token_file", error.to_string())),
            }
        }
        (None, Some(name)) if name.is_empty() => Err((".certificate", "must not be empty".to_owned())),
        (None, Some(name)) => {
            if raw.tls.as_ref().is_none_or(|tls| tls.client_ca_file.is_none()) {
                let reason = "needs admin.operations.tls with client_ca_file, or no certificate is asked for";
                return Err((".certificate", reason.to_owned()));
            }
            Ok(Proof::Certificate(name.clone()))
        }
        (None, None) => Err(("", "needs token_file or certificate".to_owned())),
        (Some(_), Some(_)) => Err(("", "takes only one of token_file and certificate".to_owned())),
    }
}

// === impl SocketMode ===

impl SocketMode {
    fn bits(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
        }
    }
}
