//! Applies the `serilog-…` keys of the tenant document while the gateway runs.
//!
//! FintechOS configures the logs of its services in that document, so the gateway accepts the same keys. An invalid value is
//! logged and ignored: a mistake in the document must not stop the log.

mod files;
mod level;
mod seq;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_model::TenantTable;
use kyc_telemetry::log::Log;
use kyc_tenants::{DocumentValues, Tenants, ValueProblem};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::config::SinkSettings;

/// A background service that applies the `serilog-…` keys of each new tenant document.
pub(crate) struct SerilogWatcher {
    log: Log,
    tenants: Tenants,
    settings: SinkSettings,
}

// === impl SerilogWatcher ===

impl SerilogWatcher {
    pub(crate) fn new(log: Log, tenants: Tenants, settings: SinkSettings) -> Self {
        Self { log, tenants, settings }
    }

    fn apply(&self, keys: DocumentValues<'_>) {
        match level::read(keys).map(|level| self.log.set_level(level)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "cannot change the log level"),
            Err(problem) => report(problem),
        }
        if let Err(problem) = keys.is_on(kyc_admin::ENABLE_SWAGGER) {
            report(problem);
        }
        match files::read(keys, &self.settings.folder) {
            Ok(settings) => {
                let path = settings.as_ref().map(|settings| settings.path.display().to_string());
                match self.log.set_files(settings) {
                    Ok(true) => tracing::info!(path, "log file settings changed"),
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "cannot change the log files"),
                }
            }
            Err(problem) => report(problem),
        }
        match seq::read(keys, &self.settings) {
            Ok(settings) => {
                let host = settings.as_ref().and_then(|settings| settings.url.host_str()).map(str::to_owned);
                match self.log.set_seq(settings) {
                    Ok(true) => tracing::info!(host, "Seq settings changed"),
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "cannot change the Seq settings"),
                }
            }
            Err(problem) => report(problem),
        }
    }
}

#[async_trait]
impl BackgroundService for SerilogWatcher {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut known: Option<Arc<TenantTable>> = None;
        while !*shutdown.borrow() {
            let table = self.tenants.load();
            if let Some(table) =
                table.filter(|table| known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, table)))
            {
                self.apply(DocumentValues(&table));
                known = Some(table);
            }
            tokio::select! {
                () = tokio::time::sleep(POLL_INTERVAL) => {}
                _ = shutdown.changed() => {}
            }
        }
    }
}

/// Logs an invalid key. The previous setting stays in use.
fn report((key, problem): ValueProblem) {
    tracing::warn!(key, problem, "an invalid key of the tenant document is ignored");
}

/// How often the service checks for a new tenant document.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
