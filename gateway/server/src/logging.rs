//! The logging keys of the tenant document, applied while the gateway runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_model::TenantTable;
use kyc_telemetry::FileSettings;
use kyc_telemetry::log::Log;
use kyc_tenants::Tenants;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

/// Looks at each new document's keys `serilog-…`.
pub(crate) struct Logging {
    log: Log,
    tenants: Tenants,
}

/// What is wrong with a key. Names it, not what it holds.
type Problem = (&'static str, &'static str);

// === impl Logging ===

impl Logging {
    pub(crate) fn new(log: Log, tenants: Tenants) -> Self {
        Self { log, tenants }
    }

    fn apply(&self, table: &TenantTable) {
        match level(table) {
            Ok(level) => match self.log.set_level(level) {
                Ok(()) => {}
                Err(error) => tracing::error!(%error, "the log's level is not changed"),
            },
            Err(problem) => report(problem),
        }
        match files(table) {
            Ok(settings) => match self.log.set_files(settings.clone()) {
                Ok(true) => match settings {
                    Some(settings) => tracing::info!(path = %settings.path.display(), "log files begin"),
                    None => tracing::info!("log files end"),
                },
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the log files are not changed"),
            },
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
                self.apply(&table);
                known = Some(table);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = shutdown.changed() => {}
            }
        }
    }
}

fn report((key, problem): Problem) {
    tracing::warn!(key, problem, "a logging key of the tenant document is not used");
}

fn text<'a>(table: &'a TenantTable, key: &str) -> Option<&'a str> {
    // Nothing that logs is told of more than these keys.
    table.value(key).map(kyc_model::Secret::reveal)
}

/// Serilog's names, of which FintechOS documents one differently.
fn level(table: &TenantTable) -> Result<Option<&'static str>, Problem> {
    let Some(name) = text(table, LEVEL) else { return Ok(None) };
    let level = match name.to_ascii_lowercase().as_str() {
        "verbose" => "trace",
        "debug" => "debug",
        "information" | "info" => "info",
        "warning" => "warn",
        "error" | "fatal" => "error",
        _ => return Err((LEVEL, "must be Verbose, Debug, Information, Warning, Error or Fatal")),
    };
    Ok(Some(level))
}

fn files(table: &TenantTable) -> Result<Option<FileSettings>, Problem> {
    match text(table, FILES).map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0") => return Ok(None),
        Some("true" | "1") => {}
        Some(_) => return Err((FILES, "must be true or false")),
    }
    let name = text(table, NAME).unwrap_or("logs/trace_roll_.log").replace('\\', "/");
    let roll_size = match text(table, ROLL_SIZE) {
        None => DEFAULT_ROLL_SIZE,
        Some(bytes) => {
            bytes.parse().ok().filter(|bytes| *bytes > 0).ok_or((ROLL_SIZE, "must be a number of bytes"))?
        }
    };
    let retained = match text(table, RETAINED) {
        None => Some(DEFAULT_RETAINED),
        Some(count) if count.eq_ignore_ascii_case("null") => None,
        Some(count) => {
            let count = count.parse().ok().filter(|count| *count > 0);
            Some(count.ok_or((RETAINED, "must be a number of files, or null for all"))?)
        }
    };
    let flush = match text(table, FLUSH) {
        None => None,
        Some(interval) => {
            Some(interval_of(interval).ok_or((FLUSH, "must be a time such as 1s or 00:00:01"))?)
        }
    };
    Ok(Some(FileSettings { path: PathBuf::from(name), roll_size, retained, flush }))
}

/// `1s`, or .NET's `00:00:01`.
fn interval_of(text: &str) -> Option<Duration> {
    if let Ok(interval) = humantime::parse_duration(text) {
        return Some(interval);
    }
    let mut seconds = 0;
    for part in text.split(':') {
        seconds = seconds * 60 + part.parse::<u64>().ok()?;
    }
    (text.split(':').count() == 3).then(|| Duration::from_secs(seconds))
}

const LEVEL: &str = "serilog-logLevel";
const FILES: &str = "serilog-file-logging";
const NAME: &str = "serilog-fileName";
const FLUSH: &str = "serilog-flushInterval";
const ROLL_SIZE: &str = "serilog-rollSizeBytes";
const RETAINED: &str = "serilog-retainedFileCount";
/// As in Serilog's file sink.
const DEFAULT_ROLL_SIZE: u64 = 1 << 30;
const DEFAULT_RETAINED: usize = 31;
/// How soon a new document's keys are in force.
const LOOK: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use kyc_model::Secret;

    use super::*;

    fn table(values: &[(&str, &str)]) -> TenantTable {
        let mut table = TenantTable::default();
        for (name, value) in values {
            table.set_value((*name).to_owned(), Secret::new((*value).to_owned()));
        }
        table
    }

    #[test]
    fn levels_are_serilogs() {
        for (name, expected) in [
            ("Verbose", "trace"),
            ("Debug", "debug"),
            ("Information", "info"),
            ("Info", "info"),
            ("warning", "warn"),
            ("Error", "error"),
            ("Fatal", "error"),
        ] {
            assert_eq!(level(&table(&[(LEVEL, name)])), Ok(Some(expected)), "{name}");
        }
        assert_eq!(level(&table(&[])), Ok(None));
        assert_eq!(level(&table(&[(LEVEL, "loud")])).unwrap_err().0, LEVEL);
    }

    #[test]
    fn file_settings_are_read_as_fintechos_writes_them() {
        let documented = [
            (FILES, "true"),
            (NAME, "logs\\trace_roll_.log"),
            (FLUSH, "1s"),
            (ROLL_SIZE, "31457280"),
            (RETAINED, "99"),
        ];

        let settings = files(&table(&documented)).unwrap().unwrap();

        let expected = FileSettings {
            path: PathBuf::from("logs/trace_roll_.log"),
            roll_size: 31_457_280,
            retained: Some(99),
            flush: Some(Duration::from_secs(1)),
        };
        assert_eq!(settings, expected);
        assert_eq!(files(&table(&[(FILES, "false"), (NAME, "x")])), Ok(None));
        let all =
            files(&table(&[(FILES, "true"), (RETAINED, "null"), (FLUSH, "00:00:05")])).unwrap().unwrap();
        assert_eq!((all.retained, all.flush), (None, Some(Duration::from_secs(5))));
        for (key, value) in [(FILES, "maybe"), (ROLL_SIZE, "0"), (RETAINED, "-1"), (FLUSH, "soon")] {
            let mut values = vec![(FILES, "true")];
            values.retain(|(known, _)| *known != key);
            values.push((key, value));
            assert_eq!(files(&table(&values)).unwrap_err().0, key);
        }
    }
}
