//! Checked settings: what the gateway is assembled from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kyc_delivery::Delivery;
use kyc_plugin_api::HttpClients;
use kyc_tenants::WatchSettings;

use super::admin::AdminSettings;
use super::binding::Binding;
use super::folder::Folder;
use super::listeners::Listener;
use super::listeners::Unrouted;
use super::log::LogSettings;
use super::offers::Offers;
use super::purpose::Purpose;
use super::raw::Raw;
use super::reach::Reach;
use super::tenant_source::TenantSource;
use super::{admin, binding, events, listeners, log, routes, tenants, tls};
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;

/// Everything that `run` needs; nothing in here can be wrong any more.
pub(crate) struct Settings {
    /// Worker threads of the proxy.
    pub(crate) threads: usize,
    /// How long requests may take after SIGTERM.
    pub(crate) drain: Duration,
    /// How long requests are taken after SIGTERM.
    pub(crate) drain_delay: Duration,
    pub(crate) upstream_ca_file: Option<PathBuf>,
    /// How often certificate files are looked at.
    pub(crate) certificate_poll: Duration,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) admin: AdminSettings,
    pub(crate) log: LogSettings,
    pub(crate) watch: WatchSettings,
    pub(crate) tenants_max_age: Option<Duration>,
    pub(crate) tenants: TenantSource,
    /// What plugins do beside requests.
    pub(crate) offers: Offers,
    /// What delivers stored events, with their store; none where no route takes notifications, or they are not stored.
    pub(crate) delivery: Option<Arc<Delivery>>,
    /// For the summary of `check`: each route's name and plugins.
    pub(crate) summary: Vec<String>,
    /// Each listener, and whose address counts there.
    pub(crate) listening: Vec<String>,
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
        build_context: &BuildContext,
        (purpose, problems): (Purpose, &mut Problems),
    ) -> Option<Self> {
        let times = [
            ("server.drain", raw.server.drain),
            ("server.certificate_poll", raw.server.certificate_poll),
            ("tenants.poll", raw.tenants.poll),
        ];
        for (path, _) in times.iter().filter(|(_, time)| time.is_zero()) {
            problems.add(*path, "must be longer than zero");
        }
        let log = log::check(raw.log, registry.crates(), problems);
        let upstream_ca_file = raw.server.upstream_ca_file.as_deref().map(|file| folder.resolve(file));
        if let Some(file) = &upstream_ca_file
            && let Err(reason) = tls::check_authorities(file)
        {
            problems.add("server.upstream_ca_file", reason);
        }
        build_context.services.offer(Arc::new(HttpClients::new(upstream_ca_file.clone())));
        let warnings = &build_context.warnings;
        let listeners = listeners::check(&raw.listeners, &raw.downstream, folder, warnings, problems);
        let admin = admin::check(&raw.admin, folder, &listeners, warnings, problems);
        let (poll, tenants_max_age) = (raw.tenants.poll, raw.tenants.max_age);
        if tenants_max_age.is_some_and(|age| age <= poll) {
            problems.add("tenants.max_age", "must be longer than tenants.poll");
        }
        let own_ports = listeners
            .iter()
            .map(|listener| listener.address.port())
            .chain(admin.iter().flat_map(AdminSettings::ports));
        let hosts = tenants::hosts(&raw.tenants, problems).without_ports(own_ports.collect());
        let mut watch = WatchSettings { poll, hosts, callers_are_needed: false };
        let tenants = tenants::check(raw.tenants, folder, &build_context.warnings, problems);
        let summary = raw.routes.iter().map(routes::describe).collect();
        let reach = |route: &str| reach(&listeners, route);
        let events = (&raw.events, raw.delivery, raw.portal);
        let stored = events::offer(events, folder, build_context, problems);
        let routes = routes::check(raw.routes, folder, registry, build_context, &reach, problems);
        let delivery = events::used(stored, build_context);
        let (routes, offers) = routes?;
        let tenants = tenants?;
        binding::check_document(&offers.bindings, (&tenants, &watch.hosts), warnings, (purpose, problems));
        watch.callers_are_needed =
            offers.bindings.routes.iter().any(|route| route.binding == Binding::Needed);
        let listening = listeners.iter().map(Unrouted::describe).collect();
        let listeners = listeners::route(listeners, &routes, problems);
        Some(Self {
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
            summary,
            listening,
        })
    }
}

/// Who can reach a route, over which of the listeners.
fn reach(listeners: &[Unrouted], route: &str) -> Reach {
    let serving = || listeners.iter().filter(|listener| listener.serves(route));
    Reach {
        is_public: serving().any(|listener| !listener.address.ip().is_loopback()),
        shows_certificates: serving().any(Unrouted::asks_for_certificates),
        without_certificates: serving()
            .filter(|listener| !listener.asks_for_certificates())
            .map(|listener| listener.name.clone())
            .collect(),
        authorities: serving().filter_map(Unrouted::authority).collect(),
    }
}

fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}
