//! The logging keys of the tenant document, applied while the gateway runs.

mod files;
mod level;
mod seq;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_model::TenantTable;
use kyc_telemetry::Encoding;
use kyc_telemetry::log::Log;
use kyc_tenants::Tenants;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

/// Looks at each new document's keys `serilog-…`.
pub(crate) struct Logging {
    log: Log,
    tenants: Tenants,
    /// How Seq is spoken to.
    seq: Encoding,
}

/// The document's logging keys.
#[derive(Clone, Copy)]
struct Keys<'a>(&'a TenantTable);

/// What is wrong with a key. Names it, not what it holds.
type Problem = (&'static str, &'static str);

// === impl Logging ===

impl Logging {
    pub(crate) fn new(log: Log, tenants: Tenants, seq: Encoding) -> Self {
        Self { log, tenants, seq }
    }

    fn apply(&self, keys: Keys<'_>) {
        match level::read(keys).map(|level| self.log.set_level(level)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the log's level is not changed"),
            Err(problem) => report(problem),
        }
        match files::read(keys) {
            Ok(settings) => {
                let path = settings.as_ref().map(|settings| settings.path.display().to_string());
                match self.log.set_files(settings) {
                    Ok(true) => tracing::info!(path, "log files begin or end"),
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "the log files are not changed"),
                }
            }
            Err(problem) => report(problem),
        }
        match seq::read(keys, self.seq) {
            Ok(settings) => {
                let host = settings.as_ref().and_then(|settings| settings.url.host_str()).map(str::to_owned);
                match self.log.set_seq(settings) {
                    Ok(true) => tracing::info!(host, "log events for Seq begin or end"),
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "the log events for Seq are not changed"),
                }
            }
            Err(problem) => report(problem),
        }
    }
}

#[async_trait]
impl BackgroundService for Logging {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut known: Option<Arc<TenantTable>> = None;
        while !*shutdown.borrow() {
            let table = self.tenants.load();
            if let Some(table) =
                table.filter(|table| known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, table)))
            {
                self.apply(Keys(&table));
                known = Some(table);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = shutdown.changed() => {}
            }
        }
    }
}

// === impl Keys ===

impl<'a> Keys<'a> {
    /// A key's text; an empty one is as good as none.
    fn text(self, key: &str) -> Option<&'a str> {
        // Nothing that logs is told of more than these keys.
        self.0.value(key).map(|value| value.reveal().trim()).filter(|text| !text.is_empty())
    }

    /// `true` or `false`, as FintechOS writes them.
    fn is_on(self, key: &'static str) -> Result<bool, Problem> {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err((key, "must be true or false")),
        }
    }

    /// A number that is more than zero.
    fn number<T: std::str::FromStr + Default + PartialOrd>(
        self,
        key: &'static str,
        problem: &'static str,
    ) -> Result<Option<T>, Problem> {
        let read = |text: &str| text.parse::<T>().ok().filter(|number| *number > T::default());
        self.text(key).map(|text| read(text).ok_or((key, problem))).transpose()
    }
}

fn report((key, problem): Problem) {
    tracing::warn!(key, problem, "a logging key of the tenant document is not used");
}

/// How soon a new document's keys are in force.
const LOOK: Duration = Duration::from_millis(200);

#[cfg(test)]
fn table(values: &[(&str, &str)]) -> TenantTable {
    let mut table = TenantTable::default();
    for (name, value) in values {
        table.set_value(name, kyc_model::Secret::new((*value).to_owned()));
    }
    table
}
