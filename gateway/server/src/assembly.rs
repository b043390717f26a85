//! Puts the gateway together and hands it to Pingora.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kyc_plugin_api::Background;
use kyc_proxy::{Entry, Guarded, Proxy};
use kyc_telemetry::log::{self, Log};
use kyc_telemetry::{Metrics, traces};
use kyc_tenants::{FileSource, Reload, Source, Tenants, VaultError, VaultSource};
use pingora::apps::HttpServerOptions;
use pingora::apps::http_app::HttpServer;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::http_proxy;
use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use pingora::services::listening::Service;

use crate::admin::{Admin, Readiness};
use crate::config::{Listener, LogSettings, Settings, TenantSource};
use crate::description::ApiPage;
use crate::hardening;
use crate::instruments::Instruments;
use crate::listeners::{Bound, BoundSocket, Lifetime};
use crate::logging::Logging;
use crate::refresh::Refresh;
use crate::shutdown::{Drain, Signals};
use crate::tenancy::Tenancy;
use crate::work::{UnderWay, Work};

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// An address cannot be listened at.
    #[error("listener {name} cannot listen at {address}: {source}")]
    Listen {
        /// The listener's name.
        name: String,
        /// Where it should be.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate changed since it was checked.
    #[error("listener {name} cannot use its certificate: {reason}")]
    Tls {
        /// The listener's name.
        name: String,
        /// What Pingora said.
        reason: String,
    },
    /// Signals cannot be asked for.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
    /// A plugin's work cannot be done.
    #[error("{name} cannot start: {reason}")]
    Background {
        /// The work.
        name: &'static str,
        /// Why not.
        reason: String,
    },
    /// The log cannot be set up.
    #[error(transparent)]
    Log(#[from] log::LogError),
    /// Spans cannot be exported.
    #[error(transparent)]
    Traces(#[from] traces::EnvironmentError),
    /// The Vault settings cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Serves until a signal ends the process.
///
/// # Errors
///
/// [`StartError`]; nothing was served then.
pub(crate) fn serve(settings: Settings, instruments: Instruments) -> Result<Infallible, StartError> {
    let seq = settings.log.seq;
    let log = start_log(settings.log, &instruments.metrics)?;
    hardening::log_panics(&instruments.metrics);
    hardening::keep_memory_private();
    for warning in instruments.warnings.take() {
        tracing::error!("{warning}");
    }
    let metrics = instruments.metrics;
    let tenants = Tenants::default();
    let readiness = Readiness::new(tenants.clone(), metrics.clone(), settings.tenants_max_age);
    let reload = Reload::default();
    let source = source(settings.tenants)?;
    prepare(&settings.offers.backgrounds)?;
    let (stop, interrupt, hangup) =
        Signals::take().map_err(StartError::Signals)?.split(readiness.clone(), log.clone());
    let sockets = bind(&settings.listeners)?;
    let admin_socket = bind_one("admin", settings.admin)?;

    let conf = conf(settings.threads, settings.drain, settings.upstream_ca_file.as_deref());
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();

    let snapshot = tenants.clone();
    let proxy = Proxy::new(settings.routes, move || snapshot.load(), metrics.clone(), settings.downstream);
    let mut application = http_proxy(&server.configuration, proxy);
    application.server_options = Some(idle_after(settings.downstream.keepalive));
    let guarded = Guarded::new(
        Entry::new(application),
        settings.max_connections,
        settings.head,
        settings.downstream.keepalive,
        metrics.clone(),
    );
    let mut service = Service::new("proxy".to_owned(), guarded);
    for (listener, socket) in settings.listeners.iter().zip(&sockets) {
        add_endpoint(&mut service, listener, socket)?;
    }
    server.add_service(Bound::new(service, sockets, Lifetime::UntilShutdown));

    let mut operations = settings.offers.operations;
    operations.push(Arc::new(Tenancy::new(tenants.clone(), reload.clone())));
    operations.push(Arc::new(ApiPage::new(settings.offers.described, &operations, tenants.clone())));
    let admin = Admin::new(metrics.clone(), readiness, operations);
    server.add_service(admin_service(admin, admin_socket));

    server.add_service(background_service(
        "tenants",
        Refresh::new(source, tenants.clone(), metrics.clone(), settings.watch, reload, hangup),
    ));
    server.add_service(background_service("logging", Logging::new(log.clone(), tenants.clone(), seq)));
    let under_way = UnderWay::default();
    for background in settings.offers.backgrounds {
        let name = background.name();
        server.add_service(background_service(
            name,
            Work::new(background, tenants.clone(), settings.drain, &under_way),
        ));
    }
    server.add_service(background_service(
        "drain",
        Drain::new(metrics, under_way, log, settings.drain, interrupt),
    ));
    server.run(RunArgs { shutdown_signal: Box::new(stop) });
    // A drain that did not end the process took longer than Pingora waits.
    std::process::exit(0)
}

fn start_log(settings: LogSettings, metrics: &Metrics) -> Result<Log, StartError> {
    let log = log::init(&settings.level, settings.format, metrics)?;
    if settings.opentelemetry.traces {
        traces::start(metrics)?;
    }
    log.set_otlp(settings.opentelemetry.logs)?;
    Ok(log)
}

fn conf(threads: usize, drain: Duration, ca_file: Option<&Path>) -> ServerConf {
    ServerConf {
        threads,
        grace_period_seconds: Some(drain.as_secs() + 1),
        graceful_shutdown_timeout_seconds: Some(1),
        ca_file: ca_file.map(|file| file.to_string_lossy().into_owned()),
        max_retries: 4,
        // Pingora's own timers read the clock when they are made and stay until they are due; tokio's do neither.
        fast_timeout_to_tokio_threshold_seconds: Some(0),
        // A thread that takes no work of others needs no locks for its own.
        work_stealing: false,
        ..ServerConf::default()
    }
}

fn admin_service(admin: Admin, socket: BoundSocket) -> Bound<Service<HttpServer<Admin>>> {
    let mut service = Service::new("admin".to_owned(), HttpServer::new_app(admin));
    service.threads = Some(1);
    service.add_tcp(&socket.address().to_string());
    Bound::new(service, vec![socket], Lifetime::UntilExit)
}

fn prepare(backgrounds: &[Arc<dyn Background>]) -> Result<(), StartError> {
    if backgrounds.is_empty() {
        return Ok(());
    }
    let failed = |name, reason| StartError::Background { name, reason };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("the runtime", error.to_string()))?;
    backgrounds.iter().try_for_each(|background| {
        runtime.block_on(background.prepare()).map_err(|reason| failed(background.name(), reason))
    })
}

/// HTTP/2 connections idle as long as others.
fn idle_after(keepalive: Duration) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(keepalive);
    options
}

/// The place that holds the tenant document.
pub(crate) fn source(source: TenantSource) -> Result<Box<dyn Source>, StartError> {
    Ok(match source {
        TenantSource::File(path) => Box::new(FileSource::new(path)),
        TenantSource::Vault(settings) => Box::new(VaultSource::new(*settings)?),
    })
}

fn bind(listeners: &[Listener]) -> Result<Vec<BoundSocket>, StartError> {
    listeners.iter().map(|listener| bind_one(&listener.name, listener.address)).collect()
}

fn bind_one(name: &str, address: SocketAddr) -> Result<BoundSocket, StartError> {
    let socket = BoundSocket::bind(address).map_err(|source| StartError::Listen {
        name: name.to_owned(),
        address,
        source,
    })?;
    tracing::info!(listener = name, address = %socket.address(), "listening");
    Ok(socket)
}

fn add_endpoint<A>(
    service: &mut Service<A>,
    listener: &Listener,
    socket: &BoundSocket,
) -> Result<(), StartError> {
    let address = socket.address().to_string();
    let Some(tls) = &listener.tls else {
        service.add_tcp(&address);
        return Ok(());
    };
    let (certificate, key) = (tls.certificate_file.to_string_lossy(), tls.key_file.to_string_lossy());
    let mut settings = TlsSettings::intermediate(&certificate, &key).map_err(|error| StartError::Tls {
        name: listener.name.clone(),
        reason: error.etype.as_str().to_owned(),
    })?;
    settings.enable_h2();
    service.add_tls_with_settings(&address, None, settings);
    Ok(())
}
