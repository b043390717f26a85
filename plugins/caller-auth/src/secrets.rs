//! The secrets of callers, each with a name. The gateway reloads a secret when its file changes.
//!
//! A secret can be rotated without a restart and without refused callers. Two secrets with the same name belong to the same
//! caller: add the new secret, change the callers over, then write the new secret into the old file too.
//!
//! A file that is deleted, empty or unreadable does not revoke its secret (ADR 21), because a volume that is unmounted for a
//! moment must not lock out every caller. The gateway logs an error, sets a metric and adds a line to `/readyz`; `check` and
//! the next start refuse the file. To revoke a secret, write another one into its file.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use kyc_model::{Secret, SecretSource};
use kyc_plugin_api::{Build, ConfigErrors, GaugeFamily};
use kyc_telemetry::names;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Config, SecretConfig};

/// The valid secrets of one route; empty when secrets are not checked.
#[derive(Debug)]
pub(crate) struct Secrets {
    entries: Vec<Entry>,
    poll: Duration,
    route: String,
    unusable: GaugeFamily<2>,
}

/// One secret and its source.
#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    /// The key in the configuration, for messages.
    key: String,
    source: SecretSource,
    current: ArcSwap<Secret>,
    /// Why the last reload failed; `None` when it succeeded. A repeated reason is logged only once.
    failure: Mutex<Option<String>>,
}

// === impl Secrets ===

impl Secrets {
    /// Reads all configured secrets. Relative paths start at the folder of the configuration.
    ///
    /// # Errors
    ///
    /// Every secret that cannot be read, is shorter than 16 bytes, or equals a secret of another name.
    pub(crate) fn new(config: &Config, build: &Build<'_>) -> Result<Arc<Self>, ConfigErrors> {
        let folder = build.folder;
        let mut errors = ConfigErrors::default();
        let mut entries: Vec<Entry> = Vec::new();
        let is_in_range = (SHORTEST_POLL..=LONGEST_POLL).contains(&config.secret_poll);
        errors.require(is_in_range, "secret_poll", "must be from 10 ms to 1 day");
        let current = configured("secret", config.secret_file.as_deref(), config.secret_env.as_deref());
        let (file, env) = (config.previous_secret_file.as_deref(), config.previous_secret_env.as_deref());
        let previous = configured("previous_secret", file, env);
        if current.is_none() && previous.is_some() {
            errors.add("previous_secret", "has no effect without a secret");
        }
        let named = config.secrets.iter().enumerate();
        let named = named.map(|(index, secret)| (format!("secrets[{index}]"), secret.clone()));
        for (key, secret) in current.into_iter().chain(previous).chain(named) {
            match Entry::read(&key, &secret, folder) {
                Ok(entry) => match entries.iter().find(|other| other.collides(&entry)) {
                    Some(other) => {
                        errors
                            .add(key, format!("is the same secret as {}, which has another name", other.key));
                    }
                    None => entries.push(entry),
                },
                Err(reason) => errors.add(key, reason),
            }
        }
        errors.finish()?;
        let unusable = build.metrics.gauge(
            names::CALLER_SECRETS_UNUSABLE,
            "1 while the source of a secret cannot be used and the previous secret stays valid.",
            &["route", "secret"],
        )?;
        let secrets = Self { entries, poll: config.secret_poll, route: build.route.to_owned(), unusable };
        secrets.update_gauges();
        Ok(Arc::new(secrets))
    }

    /// Returns whether secrets are not checked.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether a secret can change while the gateway runs. An environment variable cannot.
    pub(crate) fn can_change(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.source, SecretSource::File(_)))
    }

    /// Finds the name of the secret that equals `candidate`. It always compares all secrets, so that the response time does
    /// not reveal which one matched.
    pub(crate) fn name_of(&self, candidate: &[u8]) -> Option<&Arc<str>> {
        self.entries.iter().fold(None, |found, entry| {
            let matches = entry.current.load().matches(candidate);
            if matches { Some(&entry.name) } else { found }
        })
    }

    /// Reloads the secrets periodically until the shutdown begins.
    pub(crate) async fn watch(&self, mut shutdown: watch::Receiver<bool>) {
        let mut poll = interval(self.poll);
        // After a slow read, the missed polls would otherwise follow at once.
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = poll.tick() => self.reload(),
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Describes the secrets whose source cannot be used, for `/readyz`.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let failed = self.entries.iter().filter(|entry| entry.is_unusable());
        let text = |entry: &Entry| {
            format!("route {}: {} cannot be used; the previous secret stays valid", self.route, entry.key)
        };
        failed.map(text).collect()
    }

    /// Updates the metric. Secrets with the same name have one gauge together.
    fn update_gauges(&self) {
        for entry in &self.entries {
            let own = self.entries.iter().filter(|other| other.name == entry.name);
            let unusable = own.filter(|other| other.is_unusable()).count();
            let gauge = self.unusable.with(&[self.route.as_str(), &*entry.name]);
            gauge.set(i64::from(unusable > 0));
        }
    }

    /// Reads all sources again and replaces the secrets that changed. A source that cannot be used is logged once, and its
    /// previous secret stays valid.
    fn reload(&self) {
        for entry in &self.entries {
            let outcome = entry.source.read().map_err(|error| error.to_string()).and_then(|secret| {
                // Two callers with the same secret could not be told apart.
                let is_anothers =
                    |other: &&Entry| other.name != entry.name && other.current.load().is_same(&secret);
                match secret.check_length().map_err(|error| error.to_string()) {
                    Ok(()) if entry.current.load().is_same(&secret) => Ok(false),
                    Ok(()) if self.entries.iter().any(|other| is_anothers(&other)) => {
                        Err("is the same secret as one with another name".to_owned())
                    }
                    Ok(()) => {
                        entry.current.store(Arc::new(secret));
                        Ok(true)
                    }
                    Err(reason) => Err(reason),
                }
            });
            let mut failure = entry.failure.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(changed) => {
                    *failure = None;
                    if changed {
                        tracing::info!(secret = &*entry.name, key = entry.key, "a caller's secret changed");
                    }
                }
                Err(reason) if failure.as_ref() == Some(&reason) => {}
                Err(reason) => {
                    tracing::error!(
                        secret = &*entry.name,
                        key = entry.key,
                        error = reason,
                        "cannot use a caller's new secret; the previous one stays valid"
                    );
                    *failure = Some(reason);
                }
            }
        }
        self.update_gauges();
    }
}

// === impl Entry ===

impl Entry {
    /// Reads and checks one secret.
    fn read(key: &str, config: &SecretConfig, folder: &Path) -> Result<Self, String> {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if config.name.is_empty() || config.name.len() > 64 || !config.name.chars().all(is_name) {
            return Err("needs a name of up to 64 letters, digits, dashes, dots and underscores".to_owned());
        }
        let file = config.file.as_ref().map(|file| folder.join(file));
        let source = match (file, &config.env) {
            (Some(file), None) => SecretSource::File(file),
            (None, Some(variable)) => SecretSource::Env(variable.clone()),
            (None, None) => return Err("needs one of file and env".to_owned()),
            (Some(_), Some(_)) => return Err("must have only one of file and env".to_owned()),
        };
        let secret = source.read().map_err(|error| error.to_string())?;
        secret.check_length().map_err(|error| error.to_string())?;
        if secret.matches(config.name.as_bytes()) {
            return Err(
                "its name is the secret itself: names appear in logs and in the tenant document".to_owned()
            );
        }
        let current = ArcSwap::from_pointee(secret);
        let (name, key) = (config.name.as_str().into(), key.to_owned());
        Ok(Self { name, key, source, current, failure: Mutex::default() })
    }

    /// Returns whether the last reload failed.
    fn is_unusable(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Returns whether both have the same secret and different names. The gateway could not tell their callers apart.
    fn collides(&self, other: &Self) -> bool {
        self.name != other.name && self.current.load().is_same(&other.current.load())
    }
}

/// Builds the entry of `secret_file` and `secret_env`, or of the pair for the previous secret; `None` when neither is set.
fn configured(key: &str, file: Option<&Path>, env: Option<&str>) -> Option<(String, SecretConfig)> {
    let (file, env) = (file.map(Path::to_owned), env.map(str::to_owned));
    let is_configured = file.is_some() || env.is_some();
    is_configured.then(|| (key.to_owned(), SecretConfig { name: SHARED.to_owned(), file, env }))
}

/// The name of the secrets of `secret_file`, `secret_env`, `previous_secret_file` and `previous_secret_env`.
const SHARED: &str = "shared";
const SHORTEST_POLL: Duration = Duration::from_millis(10);
const LONGEST_POLL: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
