//! Checked settings: what the gateway is assembled from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use kyc_proxy::{ProxySettings, RouteTable};
use kyc_tenants::{VaultAuth, VaultSettings, WatchSettings};

use super::log::LogSettings;
use super::raw::{Downstream, Raw, RawListener};
use super::{Folder, Offers, log, routes, tenants, tls};
use crate::decoding::Problems;
use crate::instruments::Instruments;
use crate::registry::Registry;

/// Everything that `run` needs; nothing in here can be wrong any more.
pub(crate) struct Settings {
    /// Worker threads of the proxy.
    pub(crate) threads: usize,
    pub(crate) max_connections: usize,
    /// The whole time for a request head.
    pub(crate) head: Duration,
    /// How long requests may take after SIGTERM.
    pub(crate) drain: Duration,
    pub(crate) upstream_ca_file: Option<PathBuf>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) downstream: ProxySettings,
    pub(crate) admin: SocketAddr,
    pub(crate) log: LogSettings,
    pub(crate) watch: WatchSettings,
    pub(crate) tenants_max_age: Option<Duration>,
    pub(crate) tenants: TenantSource,
    pub(crate) routes: RouteTable,
    /// What plugins do beside requests.
    pub(crate) offers: Offers,
    /// For the summary of `check`: each route's name and plugins.
    pub(crate) summary: Vec<String>,
}

/// Where the proxy listens.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Tls>,
}

/// Files of a certificate chain and its key, which were read once and fit each other.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

/// Where the tenant document comes from.
#[derive(Debug)]
pub(crate) enum TenantSource {
    File(PathBuf),
    Vault(Box<VaultSettings>),
}

// === impl TenantSource ===

impl TenantSource {
    /// Says whether the first login uses up what it logs in with.
    pub(crate) fn is_used_up_by_a_login(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Vault(settings) => matches!(settings.auth, VaultAuth::AppRole { wrapped: true, .. }),
        }
    }
}

// === impl Settings ===

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("routes", &self.summary).finish_non_exhaustive()
    }
}

impl Settings {
    /// Checks what needs more than one value, and builds the plugins.
    pub(crate) fn check(
        raw: Raw,
        folder: &Folder,
        registry: &Registry,
        instruments: &Instruments,
        problems: &mut Problems,
    ) -> Option<Self> {
        if raw.server.max_connections == 0 {
            problems.add("server.max_connections", "must be greater than zero");
        }
        if raw.downstream.buffered_bodies < SMALLEST_BUFFERS {
            problems.add("downstream.buffered_bodies", format!("must be at least {SMALLEST_BUFFERS}"));
        }
        let times = [
            ("server.drain", raw.server.drain),
            ("downstream.keepalive", raw.downstream.keepalive),
            ("downstream.head", raw.downstream.head),
            ("downstream.read", raw.downstream.read),
            ("downstream.write", raw.downstream.write),
            ("downstream.body", raw.downstream.body),
            ("tenants.poll", raw.tenants.poll),
        ];
        for (path, _) in times.iter().filter(|(_, time)| time.is_zero()) {
            problems.add(*path, "must be longer than zero");
        }
        let log = log::check(raw.log, problems);
        let upstream_ca_file = raw.server.upstream_ca_file.as_deref().map(|file| folder.resolve(file));
        if let Some(file) = &upstream_ca_file
            && let Err(reason) = tls::check_authorities(file)
        {
            problems.add("server.upstream_ca_file", reason);
        }
        let listeners = listeners(&raw.listeners, folder, problems);
        let is_public = listeners.iter().any(|listener| !listener.address.ip().is_loopback());
        let admin = address("admin.address", &raw.admin.address, &listeners, problems);
        let (poll, tenants_max_age) = (raw.tenants.poll, raw.tenants.max_age);
        if tenants_max_age.is_some_and(|age| age <= poll) {
            problems.add("tenants.max_age", "must be longer than tenants.poll");
        }
        let own_ports =
            listeners.iter().map(|listener| listener.address.port()).chain(admin.map(|admin| admin.port()));
        let hosts = tenants::hosts(&raw.tenants.onfido_hosts, problems).without_ports(own_ports.collect());
        let watch = WatchSettings { poll, hosts };
        let tenants = tenants::check(raw.tenants, folder, &instruments.warnings, problems);
        let summary = raw.routes.iter().map(routes::describe).collect();
        let routes = routes::check(raw.routes, folder, registry, instruments, is_public, problems);
        let (routes, offers) = routes?;
        Some(Self {
            threads: threads(raw.server.threads),
            max_connections: raw.server.max_connections,
            head: raw.downstream.head,
            drain: raw.server.drain,
            upstream_ca_file,
            listeners,
            downstream: downstream(&raw.downstream),
            admin: admin?,
            log,
            watch,
            tenants_max_age,
            tenants: tenants?,
            routes,
            offers,
            summary,
        })
    }
}

fn downstream(raw: &Downstream) -> ProxySettings {
    ProxySettings {
        keepalive: raw.keepalive,
        read: raw.read,
        write: raw.write,
        body: raw.body,
        buffered_bodies: usize::try_from(raw.buffered_bodies.as_u64()).unwrap_or(usize::MAX),
    }
}

/// Less than one body of the largest size that plugins ask for by default would refuse it always.
const SMALLEST_BUFFERS: ByteSize = ByteSize::mib(1);

fn listeners(raw: &[RawListener], folder: &Folder, problems: &mut Problems) -> Vec<Listener> {
    if raw.is_empty() {
        problems.add("listeners", "must hold at least one listener");
    }
    let mut checked: Vec<Listener> = Vec::with_capacity(raw.len());
    for (place, listener) in raw.iter().enumerate() {
        let path = format!("listeners[{place}]");
        if listener.name.is_empty() || listener.name == "admin" {
            problems.add(format!("{path}.name"), "must be a name, and not `admin`");
        }
        if raw.iter().take(place).any(|other| other.name == listener.name) {
            problems.add(format!("{path}.name"), format!("`{}` is taken by another listener", listener.name));
        }
        let tls = listener.tls.as_ref().map(|tls| Tls {
            certificate_file: folder.resolve(&tls.certificate_file),
            key_file: folder.resolve(&tls.key_file),
        });
        if let Some(tls) = &tls {
            tls::check_pair(tls, &format!("{path}.tls"), problems);
        }
        if let Some(address) = address(&format!("{path}.address"), &listener.address, &checked, problems) {
            checked.push(Listener { name: listener.name.clone(), address, tls });
        }
    }
    checked
}

fn address(path: &str, text: &str, others: &[Listener], problems: &mut Problems) -> Option<SocketAddr> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        problems.add(path, format!("`{text}` is no address such as 127.0.0.1:8080 or [::]:8080"));
        return None;
    };
    if let Some(other) = others.iter().find(|other| other.address == address && address.port() != 0) {
        problems.add(path, format!("`{text}` is taken by listener `{}`", other.name));
    }
    Some(address)
}

fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}
