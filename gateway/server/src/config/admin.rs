//! Checks the section `admin`: the addresses of probes, metrics and operations, and the logins.

mod logins;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use kyc_admin::{HostName, Login};
use kyc_listener::TlsFiles;
use kyc_plugin_api::Warnings;
use kyc_tokens::Keys;

use super::folder::Folder;
use super::listeners::{Unrouted, named_addresses};
use super::purpose::Purpose;
use super::raw::{Admin, RawOperations, SocketMode};
use super::{addresses, tls};
use crate::decoding::Problems;

/// The addresses of probes, metrics and operations, and who may use them.
pub(crate) struct AdminSettings {
    pub(crate) address: SocketAddr,
    /// Additional values of `Host` that the admin listener accepts.
    pub(crate) hosts: Vec<HostName>,
    /// The file for audit records, used when there is no event store.
    pub(crate) audit_file: PathBuf,
    /// The file with the token that scrapers of metrics must send.
    pub(crate) metrics_token: Option<PathBuf>,
    pub(crate) operations: Place,
    /// The Unix socket of operations, and its file mode.
    pub(crate) socket: Option<(PathBuf, u32)>,
    pub(crate) logins: Vec<Login>,
    /// The keys of the providers that verify logins.
    pub(crate) keys: Vec<Arc<Keys>>,
}

/// The TCP address of operations. A Unix socket can exist in addition.
pub(crate) enum Place {
    /// Operations have no TCP address.
    Off,
    /// The listener of the probes also serves operations.
    WithProbes,
    /// Operations have their own listener.
    At(SocketAddr, Option<TlsFiles>),
}

// === impl AdminSettings ===

impl AdminSettings {
    /// Returns the ports of the admin listeners.
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
    (purpose, problems): (Purpose, &mut Problems),
) -> Option<AdminSettings> {
    let address = addresses::read("admin.address", &raw.address, named_addresses(others), problems);
    let mut hosts = Vec::with_capacity(raw.hosts.len());
    for (place, text) in raw.hosts.iter().enumerate() {
        match HostName::parse(text) {
            Some(host) => hosts.push(host),
            None => problems.add(
                format!("admin.hosts[{place}]"),
                format!("`{text}` is not a host name such as gateway.internal or gateway.internal:9464"),
            ),
        }
    }
    let operations = &raw.operations;
    let (logins, keys) = logins::check(operations, folder, problems);
    let place = place(operations, address, folder, others, warnings, (purpose, &mut *problems));
    if matches!(place, Some(Place::Off)) && !logins.is_empty() {
        let reason =
            "no listener serves operations: set admin.operations.address, or keep admin.address on loopback";
        problems.add("admin.operations.logins", reason);
    }
    let socket =
        operations.socket.as_deref().map(|path| (folder.resolve(path), operations.socket_mode.bits()));
    let metrics_token = raw.metrics_token_file.as_deref().map(|file| folder.resolve(file));
    if let Some(file) = &metrics_token
        && let Err(reason) = logins::usable_token(file)
    {
        problems.add("admin.metrics_token_file", reason);
    }
    if metrics_token.is_some()
        && let Some(address) = address.filter(|address| !address.ip().is_loopback())
    {
        warnings.add(format!(
            "admin.metrics_token_file: `{address}` can be reached from other machines and has no TLS, so anyone on the network \
             path can read the token and the metrics: use a loopback address behind a TLS proxy, or a separate network"
        ));
    }
    let audit_file = folder.resolve(&raw.audit_file);
    Some(AdminSettings {
        address: address?,
        hosts,
        audit_file,
        metrics_token,
        operations: place?,
        socket,
        logins,
        keys,
    })
}

fn place(
    raw: &RawOperations,
    probes: Option<SocketAddr>,
    folder: &Folder,
    others: &[Unrouted],
    warnings: &Warnings,
    (purpose, problems): (Purpose, &mut Problems),
) -> Option<Place> {
    let Some(text) = &raw.address else {
        if raw.tls.is_some() {
            problems.add(
                "admin.operations.tls",
                "needs admin.operations.address, where operations have a listener",
            );
        }
        // With a socket and no address, operations are served on the socket only.
        let is_local = raw.socket.is_none() && probes.is_some_and(|address| address.ip().is_loopback());
        return Some(if is_local { Place::WithProbes } else { Place::Off });
    };
    let path = "admin.operations.address";
    let address = addresses::read(path, text, named_addresses(others), problems)?;
    if let Some(probes) = probes.filter(|probes| addresses::overlap(*probes, address)) {
        problems.add(path, addresses::taken(text, "admin.address", probes));
    }
    let tls = raw.tls.as_ref().map(|tls| {
        tls::of_listener(tls, "admin.operations.tls", folder, warnings, (purpose, &mut *problems))
    });
    if !address.ip().is_loopback() {
        if raw.logins.is_empty() {
            let reason = format!(
                "`{text}` can be reached from other machines, where operations need a login: add \
                 [[admin.operations.logins]], or use admin.operations.socket"
            );
            problems.add("admin.operations.logins", reason);
        }
        if raw.tls.is_none() {
            let reason = format!(
                "`{text}` can be reached from other machines, and tokens would be sent unencrypted: set certificate_file \
                 and key_file here, or use a loopback address"
            );
            problems.add("admin.operations.tls", reason);
        }
    }
    Some(Place::At(address, tls))
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
