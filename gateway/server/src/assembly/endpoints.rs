//! Connects each socket with its limits, its certificates and the application that serves it.
use std::sync::Arc;
use std::time::Duration;

use kyc_admin::{
    Access, Admin, AdminConnections, AdminSocket, Dispatcher, Hosts, LISTENER as SOCKET, Readiness, Scheme,
    Services, UnpublishedSocket,
};
use kyc_listener::{
    BoundSocket, CertificateReload, ConnectionLimiter, ConnectionLimits, Endpoint, ReloadableTls, SharedApp,
    TlsFiles, WhenFull,
};
use kyc_model::RequestId;
use kyc_plugin_api::{Connection, Ctx};
use kyc_proxy::{CallLimiters, ConnectionGuard, ProtocolOptions, Proxy, ProxySettings};
use kyc_telemetry::Metrics;
use kyc_tenants::Tenants;
use pingora::apps::HttpServerOptions;
use pingora::connectors::ConnectorOptions;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::configuration::ServerConf;

use crate::assembly::start_error::StartError;
use crate::config::{AdminSettings, HttpLimits, Listener, Place};

/// The proxy behind a listener.
pub(crate) type Proxied = SharedApp<ConnectionGuard<Proxy>>;

/// Connects the sockets of all listeners with the proxy.
///
/// # Errors
///
/// [`StartError::Tls`] when certificate files have changed since the check and cannot be used.
pub(crate) fn proxied_all(
    listeners: impl Iterator<Item = (Listener, BoundSocket)>,
    conf: &Arc<ServerConf>,
    tenants: &Tenants,
    metrics: &Metrics,
    certificate_reload: &mut CertificateReload,
) -> Result<Vec<Endpoint<Proxied>>, StartError> {
    // Shared by all listeners, so that a tenant's limits and circuit breaker do not depend on the listener.
    let guards = Arc::new(CallLimiters::new(metrics));
    listeners
        .map(|(listener, socket)| {
            proxied(listener, socket, conf, tenants, (metrics, Arc::clone(&guards)), certificate_reload)
        })
        .collect()
}

/// Connects one socket with the proxy, and watches its certificate files.
fn proxied(
    listener: Listener,
    socket: BoundSocket,
    conf: &Arc<ServerConf>,
    tenants: &Tenants,
    (metrics, guards): (&Metrics, Arc<CallLimiters>),
    certificate_reload: &mut CertificateReload,
) -> Result<Endpoint<Proxied>, StartError> {
    let certificates = certificates(&listener.name, listener.tls, metrics, certificate_reload)?;
    let snapshot = tenants.clone();
    let name: Arc<str> = listener.name.as_str().into();
    let begin = move || {
        let connection = Connection { listener: Arc::clone(&name), ..Connection::default() };
        Ctx::new(RequestId::new(), connection, snapshot.load())
    };
    let protocol = ProtocolOptions {
        server: server_options(&listener.proxy, listener.http),
        http2: h2_options(listener.http),
        upstream: ConnectorOptions::from_server_conf(conf),
    };
    let settings = listener.proxy.clone();
    let proxy = Proxy::new(listener.routes, begin, metrics.clone(), settings, protocol, guards);
    Ok(Endpoint {
        socket,
        limiter: Arc::new(ConnectionLimiter::new(&listener.name, listener.limiter, metrics)),
        trusted_proxies: listener.trusted_proxies,
        certificates,
        app: SharedApp(Arc::new(ConnectionGuard::new(proxy, &listener.proxy, &listener.name, metrics))),
    })
}

/// The admin listeners and the admin socket.
pub(crate) struct AdminSide {
    /// The listener of probes and metrics, then that of operations if they have their own address.
    pub(crate) endpoints: Vec<Endpoint<AdminConnections>>,
    pub(crate) socket: Option<AdminSocket>,
}

/// Connects the admin sockets with probes, metrics and operations, with the same connection policy as the proxy.
///
/// # Errors
///
/// [`StartError`] when a certificate or the Unix socket cannot be used.
pub(crate) fn admin(
    settings: AdminSettings,
    (probes, own): (BoundSocket, Option<BoundSocket>),
    (metrics, readiness): (&Metrics, &Readiness),
    services: &Services,
    certificate_reload: &mut CertificateReload,
) -> Result<AdminSide, StartError> {
    let dispatcher = |access| Dispatcher::new(services.clone(), access);
    let by_login = match settings.logins.is_empty() {
        true => Access::Open("loopback"),
        false => Access::Logins(settings.logins.into()),
    };
    let hosts = Hosts::new(probes.address(), settings.hosts.clone(), Scheme::Http);
    let mut first = Admin::probes(metrics.clone(), readiness.clone(), settings.metrics_token, hosts);
    let mut endpoints = Vec::with_capacity(2);
    match (settings.operations, own) {
        (Place::WithProbes, _) => first = first.with(dispatcher(by_login)),
        (Place::At(_, tls), Some(socket)) => {
            let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
            let hosts = Hosts::new(socket.address(), settings.hosts, scheme);
            let certificates = certificates("operations", tls, metrics, certificate_reload)?;
            let admin = Admin::operations(dispatcher(by_login), Some(hosts));
            endpoints.push(admin_endpoint("operations", admin, socket, certificates, metrics));
        }
        (Place::At(..) | Place::Off, _) => {}
    }
    endpoints.insert(0, admin_endpoint("admin", first, probes, None, metrics));
    let socket = match settings.socket {
        Some((path, mode)) => {
            let failed = |source| StartError::AdminSocket { path: path.clone(), source };
            let draft = UnpublishedSocket::make(&path, mode).map_err(failed)?;
            let admin = Admin::operations(dispatcher(Access::Open("socket")), None);
            let limiter = ConnectionLimiter::new(SOCKET, SOCKET_LIMITS, metrics);
            Some(AdminSocket::new(draft, admin, limiter, &ADMIN, metrics))
        }
        None => None,
    };
    Ok(AdminSide { endpoints, socket })
}

fn admin_endpoint(
    name: &str,
    admin: Admin,
    socket: BoundSocket,
    certificates: Option<Arc<ReloadableTls>>,
    metrics: &Metrics,
) -> Endpoint<AdminConnections> {
    Endpoint {
        socket,
        limiter: Arc::new(ConnectionLimiter::new(name, ADMIN_LIMITS, metrics)),
        trusted_proxies: None,
        certificates,
        app: AdminConnections::new(admin, &ADMIN, name, metrics),
    }
}

/// Loads the certificate files of a listener, and watches them.
fn certificates(
    name: &str,
    tls: Option<TlsFiles>,
    metrics: &Metrics,
    certificate_reload: &mut CertificateReload,
) -> Result<Option<Arc<ReloadableTls>>, StartError> {
    let Some(files) = tls else { return Ok(None) };
    let watched = certificate_reload.watch(name, files, metrics).map_err(|problems| {
        let reason = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        StartError::Tls { name: name.to_owned(), reason }
    })?;
    Ok(Some(watched))
}

/// Pingora's options of HTTP. HTTP/2 has the same idle timeout as HTTP/1.
fn server_options(proxy: &ProxySettings, limits: HttpLimits) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(proxy.keepalive);
    // Pingora counts the requests after the first one.
    options.keepalive_request_limit = Some(limits.requests.saturating_sub(1));
    options
}

fn h2_options(limits: HttpLimits) -> H2Options {
    let mut options = default_h2_options();
    options.max_header_list_size(MAX_HEAD);
    options.max_concurrent_streams(limits.streams);
    // Limits streams that the peer resets before they are accepted (rapid reset, CVE-2023-44487), and streams that the gateway
    // must reset because of the peer's errors (CVE-2025-8671). More of them end the connection.
    options.max_pending_accept_reset_streams(limits.resets);
    options.max_local_error_reset_streams(Some(limits.resets));
    options
}

/// The same limit as for a request head of HTTP/1.
const MAX_HEAD: u32 = 32 * 1024;

/// The deadline of a request head, and of a TLS handshake.
const ADMIN_HEAD: Duration = Duration::from_secs(5);

/// Idle connections are closed for new ones, so that a client that holds connections open cannot lock out probes, scrapers and
/// operators.
const ADMIN_LIMITS: ConnectionLimits = ConnectionLimits {
    connections: 256,
    per_source: Some(64),
    handshake: ADMIN_HEAD,
    when_full: WhenFull::CloseIdle,
};

/// A Unix socket has no addresses, so no limit per source.
const SOCKET_LIMITS: ConnectionLimits =
    ConnectionLimits { connections: 64, per_source: None, ..ADMIN_LIMITS };

/// The timeouts of the admin listeners. The values for bodies are zero, because the admin listeners read no bodies.
static ADMIN: ProxySettings = ProxySettings {
    // A connection is closed after between one and two of these.
    keepalive: Duration::from_secs(30),
    head: ADMIN_HEAD,
    read: Duration::from_secs(10),
    write: Duration::from_secs(10),
    body: Duration::ZERO,
    body_min_rate: 0,
    body_grace: Duration::ZERO,
    min_rate: 0,
    control_frames: 100,
    buffered_bodies: 0,
    buffered_bodies_per_source: None,
    buffered_bodies_per_tenant: None,
    forwarded: None,
    private_headers: Vec::new(),
};
