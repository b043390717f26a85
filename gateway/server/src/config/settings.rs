//! The checked settings that the gateway is assembled from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kyc_delivery::Delivery;
use kyc_doctor::Doctor;
use kyc_events::EventsConfig;
use kyc_http_client::Cleartext;
use kyc_reconciliation::Reconciliation;
use kyc_tenants::WatchSettings;

use super::admin::AdminSettings;
use super::binding::Binding;
use super::doctor::SetupSettings;
use super::folder::Folder;
use super::listeners::Listener;
use super::listeners::Unrouted;
use super::log::LogSettings;
use super::offers::Offers;
use super::origin::Origin;
use super::purpose::Purpose;
use super::raw::{Raw, Server};
use super::reach::Reach;
use super::tenant_source::TenantSource;
use super::{
    access_tokens, admin, binding, doctor, events, listeners, log, reconciliation, routes, tenants, tls,
};
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;
use crate::plugins::built_in::private_headers;
use crate::plugins::registry::Registry;

/// The checked settings. Nothing that uses them needs to check them again.
pub(crate) struct Settings {
    /// The file.
    pub(crate) origin: Origin,
    /// Worker threads of the proxy.
    pub(crate) threads: usize,
    /// How long requests in flight may take after the listeners have closed.
    pub(crate) drain: Duration,
    /// How long the listeners stay open after SIGTERM.
    pub(crate) drain_delay: Duration,
    pub(crate) upstream_ca_file: Option<PathBuf>,
    /// How often certificate files are checked for a change.
    pub(crate) certificate_poll: Duration,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) admin: AdminSettings,
    pub(crate) log: LogSettings,
    pub(crate) watch: WatchSettings,
    pub(crate) tenants_max_age: Option<Duration>,
    pub(crate) tenants: TenantSource,
    /// The background work, admin pages and caller bindings of the plugins.
    pub(crate) offers: Offers,
    /// The delivery of stored events, with their store. `None` when no route receives notifications or when they are not stored.
    pub(crate) delivery: Option<Arc<Delivery>>,
    /// The SQLite file of the event store; `None` with PostgreSQL.
    pub(crate) store_file: Option<PathBuf>,
    pub(crate) doctor: Doctor,
    /// `None` where it is off, or no events are stored.
    pub(crate) reconciliation: Option<Reconciliation>,
    /// For the commands that set up tenants.
    pub(crate) setup: SetupSettings,
    /// A line for each route with its paths and plugins, for the summary of `check`.
    pub(crate) summary: Vec<String>,
    /// A line for each listener that says which address its limits apply to, for the summary of `check`.
    pub(crate) listening: Vec<String>,
}

// === impl Settings ===

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("routes", &self.summary).finish_non_exhaustive()
    }
}

impl Settings {
    /// Checks the values that depend on each other, and builds the plugins.
    ///
    /// The order matters: services are offered before routes are built, since plugins take them, and the tenant document is
    /// checked last, since the routes determine whether tenants need `callers`.
    pub(crate) fn check(
        raw: Raw,
        folder: &Folder,
        registry: &Registry,
        build_context: &BuildContext,
        (purpose, problems): (Purpose, &mut Problems),
    ) -> Option<Self> {
        check_times(&raw, problems);
        let log = log::check(raw.log, registry.crates(), problems);
        let upstream_ca_file = upstream_ca_file(&raw.server, folder, problems);
        access_tokens::offer(upstream_ca_file.clone(), raw.tenants.allow_http, build_context, problems);
        let warnings = &build_context.warnings;
        let listeners =
            listeners::check(&raw.listeners, &raw.downstream, folder, warnings, (purpose, problems));
        let admin = admin::check(&raw.admin, folder, &listeners, warnings, (purpose, problems));
        let (poll, tenants_max_age) = (raw.tenants.poll, raw.tenants.max_age);
        let own_ports = own_ports(&listeners, admin.as_ref());
        let hosts = tenants::hosts(&raw.tenants, problems).without_ports(own_ports);
        let cleartext = Cleartext::from_setting(raw.tenants.allow_http);
        let mut watch = WatchSettings { poll, hosts, callers_required: false };
        let tenants = tenants::check(raw.tenants, folder, &build_context.warnings, problems);
        let summary = raw.routes.iter().map(routes::describe).collect();
        let reach = |route: &str| reach(&listeners, route);
        let events = (&raw.events, raw.delivery, raw.portal);
        let notification_routes = doctor::notification_routes(&raw.routes, warnings);
        let wanted = reconciliation::wanted(&notification_routes);
        let expected = (raw.reconciliation.overdue, wanted.clone());
        let events::Built { portals, stored } =
            events::offer(events, expected, folder, build_context, problems);
        let store_file = store_file(&raw.events, folder);
        let onfido = (upstream_ca_file.as_deref(), cleartext);
        let doctor =
            doctor::build(&raw.doctor, &notification_routes, onfido, portals, build_context, problems);
        let routes = routes::check(raw.routes, folder, registry, build_context, &reach, problems);
        // Whether a plugin uses the event store is known only after the routes were built.
        let delivery = events::used(stored, build_context);
        let looked_up = (&raw.reconciliation, wanted);
        let reconciliation =
            reconciliation::build(looked_up, onfido, delivery.as_ref(), build_context, problems);
        // Return only here, after every section was checked: an earlier return would hide problems.
        let ((routes, offers), tenants, doctor::Built { doctor, setup }) = (routes?, tenants?, doctor?);
        binding::check_document(&offers.bindings, (&tenants, &watch.hosts), warnings, (purpose, problems));
        watch.callers_required = offers.bindings.routes.iter().any(|route| route.binding == Binding::Needed);
        let listening = listeners.iter().map(Unrouted::describe).collect();
        let listeners =
            listeners::route(listeners, &routes, &private_headers(&offers.private_headers), problems);
        Some(Self {
            origin: Origin::default(),
            threads: threads(raw.server.threads),
            drain: raw.server.drain,
            drain_delay: raw.server.drain_delay,
            upstream_ca_file,
            certificate_poll: raw.server.certificate_poll,
            listeners,
            admin: admin?,
            log,
            watch,
            tenants_max_age,
            tenants,
            offers,
            delivery,
            store_file,
            doctor,
            reconciliation,
            setup,
            summary,
            listening,
        })
    }
}

/// The gateway's own ports: a base URL with one of them would send calls back to the gateway.
fn own_ports(listeners: &[Unrouted], admin: Option<&AdminSettings>) -> Vec<u16> {
    let admin = admin.into_iter().flat_map(AdminSettings::ports);
    listeners.iter().map(|listener| listener.address.port()).chain(admin).collect()
}

/// The file of a store in SQLite.
fn store_file(events: &EventsConfig, folder: &Folder) -> Option<PathBuf> {
    let is_database = events.postgres_file.is_some() || events.postgres_env.is_some();
    (!is_database).then(|| folder.resolve(&events.path))
}

fn check_times(raw: &Raw, problems: &mut Problems) {
    let times = [
        ("server.drain", raw.server.drain),
        ("server.certificate_poll", raw.server.certificate_poll),
        ("tenants.poll", raw.tenants.poll),
    ];
    for (path, _) in times.iter().filter(|(_, time)| time.is_zero()) {
        problems.add(*path, "must be longer than zero");
    }
    if raw.tenants.max_age.is_some_and(|age| age <= raw.tenants.poll) {
        problems.add("tenants.max_age", "must be longer than tenants.poll");
    }
}

/// Resolves and checks the file with more authorities for upstreams.
fn upstream_ca_file(server: &Server, folder: &Folder, problems: &mut Problems) -> Option<PathBuf> {
    let file = server.upstream_ca_file.as_deref().map(|file| folder.resolve(file))?;
    if let Err(reason) = tls::check_authorities(&file) {
        problems.add("server.upstream_ca_file", reason);
    }
    Some(file)
}

/// Which callers can reach a route through the listeners that serve it.
fn reach(listeners: &[Unrouted], route: &str) -> Reach {
    let serving = || listeners.iter().filter(|listener| listener.serves(route));
    Reach {
        is_public: serving().any(|listener| !listener.address.ip().is_loopback()),
        requests_certificates: serving().any(Unrouted::requests_certificates),
        without_certificates: serving()
            .filter(|listener| !listener.requests_certificates())
            .map(|listener| listener.name.clone())
            .collect(),
        authorities: serving().filter_map(Unrouted::authority).collect(),
    }
}

/// The number of worker threads: 0 in the configuration means one for each CPU.
fn threads(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}
