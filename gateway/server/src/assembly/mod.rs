//! Assembles the gateway from its settings and runs it on Pingora's server.
//!
//! The order of the start matters. The log comes first, so that every later failure is logged; background work is prepared before
//! any socket accepts, so that a broken event store stops the start; signals are registered before the sockets are bound.

mod background_services;
mod delivery;
mod doctor;
mod endpoints;
mod reconciliation;
mod sockets;
mod start_error;
mod tenant_refresh;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use background_services::BackgroundWork;
use delivery::DeliveryWork;
use doctor::DoctorWork;
use endpoints::{AdminSide, Proxied};
use kyc_admin::{
    ApiPage, Audit, AuditFile, AuditPages, CheckPages, EventPages, KnownSecrets, OfflineOperation, Operation,
    OperatorTokenKeys, Proof, Readiness, Services, TenantPages,
};
use kyc_delivery::Delivery;
use kyc_doctor::Doctor;
use kyc_events::{AuditLog, StoredAudit};
use kyc_listener::{CertificateReload, Endpoint, Lifetime, ListenerService};
use kyc_plugin_api::{Background, PrepareError};
use kyc_reconciliation::Reconciliation;
use kyc_telemetry::log::{self, Log};
use kyc_telemetry::{MetricError, Metrics, names, traces};
use kyc_tenants::{FileSource, ReloadHandle, Tenants, VaultSource, WritableSource};
use pingora::server::configuration::Opt;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use reconciliation::ReconciliationWork;
use sockets::Sockets;
use start_error::StartError;
use tenant_refresh::TenantRefresh;
use tokio::sync::watch;

use crate::build::BUILD;
use crate::config::{AdminSettings, LogSettings, Offers, Origin, Settings, TenantSource};
use crate::lifecycle::drain::Drain;
use crate::lifecycle::handover::InheritedSockets;
use crate::lifecycle::signals::Signals;
use crate::lifecycle::startup_notification::StartupNotification;
use crate::lifecycle::startup_progress::StartupProgress;
use crate::lifecycle::unfinished_work::UnfinishedWork;
use crate::lifecycle::{executable, hardening, runtime};
use crate::plugins::build_context::BuildContext;
use crate::serilog::SerilogWatcher;

/// Serves until a signal ends the process.
///
/// # Errors
///
/// [`StartError`]; no request was served.
pub(crate) fn serve(mut settings: Settings, context: BuildContext) -> Result<Infallible, StartError> {
    let (records, sinks) = (own_audit_log(&settings, &context), settings.log.sinks.clone());
    let store = settings.delivery.as_ref().map(|delivery| Arc::clone(delivery.store()));
    add_own_work(&mut settings.offers, (settings.delivery, settings.reconciliation), &settings.doctor);
    let (program, mut inherited) = (executable::path(), InheritedSockets::from_env());
    let log = start_logging(settings.log, &settings.origin, &context)?;
    let BuildContext { metrics, tenants, .. } = context;
    let reload = ReloadHandle::default();
    let ages = (settings.watch.poll, settings.tenants_max_age);
    let readiness = readiness(&settings.offers.backgrounds, ages, (&tenants, &metrics))?;
    let has_single_use_login = settings.tenants.has_single_use_login();
    let source = tenant_source(settings.tenants)?;
    prepare_background_work(&settings.offers.backgrounds)?;
    // Before the sockets are bound: a signal that is sent as soon as a port is open must not end the process.
    let signals = Signals::register().map_err(StartError::Signals)?;
    let sockets = Sockets::bind(&mut inherited, &settings.listeners, &settings.admin)?;
    let connections = settings.listeners.iter().map(|listener| listener.limiter.connections).sum();
    hardening::raise_descriptor_limit(connections);
    let predecessor = inherited.predecessor.take();
    // Closes inherited sockets that belong to no listener.
    drop(inherited);
    // The handover keeps duplicates of the sockets, because the services below take the sockets themselves.
    let handover = sockets.handover(program, &settings.listeners, has_single_use_login)?;
    let progress = StartupProgress::default();
    let (replace, replaced) = watch::channel(false);
    let replace = Arc::new(replace);
    let (stop, drain_signals, hangup) = signals.split(
        (readiness.clone(), settings.drain_delay),
        log.clone(),
        handover,
        Arc::clone(&replace),
        progress.clone(),
    );

    let conf = runtime::conf(settings.threads, settings.drain, settings.upstream_ca_file.as_deref());
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();

    let mut certificates = CertificateReload::new(settings.certificate_poll);
    let bound = settings.listeners.into_iter().zip(sockets.listeners);
    let endpoints =
        endpoints::proxied_all(bound, &server.configuration, &tenants, &metrics, &mut certificates)?;
    let limiters = endpoints.iter().map(|endpoint| Arc::clone(&endpoint.limiter)).collect();
    let services =
        admin_services(&mut settings.offers, &settings.admin, records, &tenants, (&reload, settings.doctor));
    let own = (sockets.admin, sockets.operations);
    let admin = endpoints::admin(settings.admin, own, (&metrics, &readiness), &services, &mut certificates)?;
    let listeners = endpoints.len() + admin.endpoints.len();
    let startup = StartupNotification::new(predecessor, readiness, progress.clone(), listeners, log.clone());
    add_listeners(&mut server, endpoints, admin, startup, replaced, &progress);
    if !certificates.is_idle() {
        server.add_service(background_service("certificates", certificates));
    }
    let refresh =
        TenantRefresh::new(source, tenants.clone(), metrics.clone(), settings.watch, reload, hangup);
    server.add_service(background_service("tenants", refresh));
    let serilog = SerilogWatcher::new(log.clone(), tenants.clone(), sinks);
    server.add_service(background_service("logging", serilog));
    let unfinished = add_background_work(&mut server, settings.offers.backgrounds, &tenants, settings.drain);
    let drain =
        Drain::new(metrics, limiters, (unfinished, store), log, settings.drain, drain_signals, replace);
    server.add_service(background_service("drain", drain));
    server.run(RunArgs { shutdown_signal: Box::new(stop) });
    // Reached only when the drain took longer than Pingora waits.
    std::process::exit(0)
}

/// Adds the probes of tenants, the look-ups of overdue results, and the delivery of stored events with their admin pages.
fn add_own_work(
    offers: &mut Offers,
    (delivery, reconciliation): (Option<Arc<Delivery>>, Option<Reconciliation>),
    doctor: &Doctor,
) {
    offers.backgrounds.push(Arc::new(DoctorWork(doctor.clone())));
    if let Some(reconciliation) = reconciliation {
        offers.backgrounds.push(Arc::new(ReconciliationWork(reconciliation)));
    }
    let Some(delivery) = delivery else { return };
    offers.backgrounds.push(Arc::new(DeliveryWork(Arc::clone(&delivery))));
    offers.operations.push(Arc::new(CheckPages::new(Arc::clone(delivery.store()))));
    offers.operations.push(Arc::new(EventPages::new(delivery)));
}

/// Returns the audit log for a command: in the event store if there is one, otherwise in the file `admin.audit_file`. A gateway
/// creates both.
pub(crate) fn audit_log(settings: &Settings) -> Arc<dyn AuditLog> {
    match &settings.delivery {
        Some(delivery) => Arc::new(StoredAudit::new(delivery.store())),
        None => Arc::new(AuditFile::existing(settings.admin.audit_file.clone())),
    }
}

/// Returns the audit log of this gateway, and creates its file. A gateway that cannot create it serves, but refuses changes.
fn own_audit_log(settings: &Settings, context: &BuildContext) -> Arc<dyn AuditLog> {
    if settings.delivery.is_some() {
        return audit_log(settings);
    }
    let file = AuditFile::new(settings.admin.audit_file.clone());
    if let Err(error) = file.create() {
        context.warnings.add(format!(
            "changes by operators are refused until `admin.audit_file` can be written: {error}"
        ));
    }
    Arc::new(file)
}

/// Builds the operations of the admin API: those of plugins, tenants and audit records, and the page that describes the API.
fn admin_services(
    offers: &mut Offers,
    admin: &AdminSettings,
    records: Arc<dyn AuditLog>,
    tenants: &Tenants,
    (reload, doctor): (&ReloadHandle, Doctor),
) -> Services {
    let (mut operations, described) =
        (std::mem::take(&mut offers.operations), std::mem::take(&mut offers.described));
    let offline = OfflineOperation::ALL.map(OfflineOperation::name);
    let recorded = Operation::changes().chain(offline).collect();
    operations.push(Arc::new(AuditPages::new(Arc::clone(&records), recorded)));
    operations.push(Arc::new(TenantPages::new(tenants.clone(), reload.clone(), doctor)));
    if !admin.keys.is_empty() {
        offers.backgrounds.push(Arc::new(OperatorTokenKeys(admin.keys.clone())));
    }
    operations.push(Arc::new(ApiPage::new(described, &operations, tenants.clone())));
    let tokens = admin.logins.iter().filter_map(|login| match &login.proof {
        Proof::Token(file) => Some(file.clone()),
        Proof::Certificate(_) | Proof::Provider(_) => None,
    });
    let tokens = tokens.chain(admin.metrics_token.clone()).collect();
    Services::new(operations, Audit::new(records), KnownSecrets::new(tenants.clone(), tokens))
}

/// Starts the log and hardens the process.
fn start_logging(settings: LogSettings, origin: &Origin, context: &BuildContext) -> Result<Log, StartError> {
    let log = start_log(settings, &context.metrics)?;
    // During a handover the lines of two processes are in one log.
    let (version, commit, config, digest) =
        (BUILD.version, BUILD.commit, origin.file.display(), origin.digest.as_str());
    tracing::info!(version, commit, pid = std::process::id(), %config, digest, "starting");
    hardening::log_panics(&context.metrics);
    hardening::warn_of_root();
    hardening::disable_core_dumps();
    hardening::disable_huge_pages();
    for warning in context.warnings.take() {
        tracing::warn!(%warning, "configuration warning");
    }
    Ok(log)
}

fn start_log(settings: LogSettings, metrics: &Metrics) -> Result<Log, StartError> {
    let log = log::init(&settings.level, settings.plugins, settings.format, metrics)?;
    if settings.opentelemetry.traces {
        traces::start(metrics)?;
    }
    log.set_otlp(settings.opentelemetry.logs)?;
    Ok(log)
}

/// Creates the readiness and exports it, with how often the tenants are read and how old they may become.
fn readiness(
    backgrounds: &[Arc<dyn Background>],
    (poll, max_age): (Duration, Option<Duration>),
    (tenants, metrics): (&Tenants, &Metrics),
) -> Result<Readiness, MetricError> {
    let readiness = Readiness::new(tenants.clone(), metrics.clone(), max_age, backgrounds);
    readiness.export()?;
    let registry = metrics.registry();
    registry.limit_time(names::TENANTS_POLL, "Time between two reads of the tenant source.", poll)?;
    if let Some(max_age) = max_age {
        registry.limit_time(names::TENANTS_MAX_AGE, "Largest age of the tenant document.", max_age)?;
    }
    Ok(readiness)
}

/// Adds the listeners and the start-up notification, which says when the proxy's listeners accept connections. During a handover the
/// admin listeners wait for it too, since the previous process accepts connections until then.
fn add_listeners(
    server: &mut Server,
    endpoints: Vec<Endpoint<Proxied>>,
    admin: AdminSide,
    startup: StartupNotification,
    replaced: watch::Receiver<bool>,
    progress: &StartupProgress,
) {
    let is_handover = startup.has_predecessor();
    let proxied = ListenerService::new("proxy", None, endpoints, Lifetime::UntilShutdown, progress.open());
    let AdminSide { endpoints, socket } = admin;
    // During a drain the admin listener stays open, so that probes see that the process is not ready.
    let lifetime = Lifetime::UntilReplaced(replaced);
    let admin = ListenerService::new("admin", Some(1), endpoints, lifetime, progress.open());
    let proxied = server.add_service(proxied);
    let mut admin = vec![server.add_service(admin)];
    admin.extend(socket.map(|socket| server.add_service(socket)));
    let startup = server.add_service(background_service("startup notification", startup));
    proxied.add_dependency(&startup);
    if is_handover {
        admin.iter().for_each(|service| service.add_dependency(&startup));
    }
}

/// Adds the background work of plugins. Returns the count of unfinished work, which the drain waits for.
fn add_background_work(
    server: &mut Server,
    backgrounds: Vec<Arc<dyn Background>>,
    tenants: &Tenants,
    drain: Duration,
) -> UnfinishedWork {
    let unfinished = UnfinishedWork::default();
    for background in backgrounds {
        let name = background.name();
        let work = BackgroundWork::new(background, tenants.clone(), drain, &unfinished);
        server.add_service(background_service(name, work));
    }
    unfinished
}

/// Prepares the background work of plugins before any listener accepts connections.
fn prepare_background_work(backgrounds: &[Arc<dyn Background>]) -> Result<(), StartError> {
    if backgrounds.is_empty() {
        return Ok(());
    }
    let failed = |name, reason| StartError::Background { name, reason };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("the runtime", PrepareError::new(error)))?;
    backgrounds.iter().try_for_each(|background| {
        runtime.block_on(background.prepare()).map_err(|error| failed(background.name(), error))
    })
}

/// Creates the source of the tenant document.
pub(crate) fn tenant_source(source: TenantSource) -> Result<Box<dyn WritableSource>, StartError> {
    Ok(match source {
        TenantSource::File(path) => Box::new(FileSource::new(path)),
        TenantSource::Vault(settings) => Box::new(VaultSource::new(*settings)?),
    })
}
