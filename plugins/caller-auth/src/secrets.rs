//! The secrets that callers share with the gateway, each with a name, read again when their files change.
//!
//! A secret is rotated without a restart and without a moment in which callers are refused: two secrets of one name are
//! the same caller, so the new one is added, callers change over, and the old one's file gets the new secret too.
//!
//! A file that is deleted, emptied or unreadable takes no secret away (ADR 21): a volume that is not mounted for a moment must
//! not lock out every caller. It is logged as an error, counted in a metric, and said by `/readyz`; `check` and the next
//! start refuse it. To withdraw a secret, another one is written into its file.

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

/// The secrets that are valid now; empty: none is asked for.
#[derive(Debug)]
pub(crate) struct Secrets {
    entries: Vec<Entry>,
    poll: Duration,
    route: String,
    unusable: GaugeFamily<2>,
}

/// One secret, and where it is.
#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    /// The configuration's key, for messages.
    key: String,
    source: SecretSource,
    current: ArcSwap<Secret>,
    /// Why the source was not used when it was looked at last, so that it is told once.
    told: Mutex<Option<String>>,
}

// === impl Secrets ===

impl Secrets {
    /// Reads all secrets that are asked for; relative paths count from `folder`.
    ///
    /// # Errors
    ///
    /// Each one that cannot be read, is too short or is another one's too.
    pub(crate) fn new(config: &Config, build: &Build<'_>) -> Result<Arc<Self>, ConfigErrors> {
        let folder = build.folder;
        let mut errors = ConfigErrors::default();
        let mut entries: Vec<Entry> = Vec::new();
        let is_sane = (SHORTEST_POLL..=LONGEST_POLL).contains(&config.secret_poll);
        errors.require(is_sane, "secret_poll", "must be from 10 ms to 1 day");
        let single = single("secret", config.secret_file.as_deref(), config.secret_env.as_deref());
        let (file, env) = (config.previous_secret_file.as_deref(), config.previous_secret_env.as_deref());
        let previous = self::single("previous_secret", file, env);
        if single.is_none() && previous.is_some() {
            errors.add("previous_secret", "is of no use without a secret");
        }
        let named = config.secrets.iter().enumerate();
        let named = named.map(|(place, secret)| (format!("secrets[{place}]"), secret.clone()));
        for (key, secret) in single.into_iter().chain(previous).chain(named) {
            match Entry::read(&key, &secret, folder) {
                Ok(entry) => match entries.iter().find(|other| other.collides(&entry)) {
                    Some(other) => {
                        errors.add(key, format!("is the same secret as {}, of another name", other.key));
                    }
                    None => entries.push(entry),
                },
                Err(reason) => errors.add(key, reason),
            }
        }
        errors.finish()?;
        let unusable = build.metrics.gauge(
            names::CALLER_SECRETS_UNUSABLE,
            "1 while a secret cannot be used any more and the one before stays valid.",
            &["route", "secret"],
        )?;
        let secrets = Self { entries, poll: config.secret_poll, route: build.route.to_owned(), unusable };
        secrets.measure();
        Ok(Arc::new(secrets))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Says whether some secret can change while the gateway runs.
    pub(crate) fn can_change(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.source, SecretSource::File(_)))
    }

    /// The name of the secret that this is. It is compared with every one, so that the time does not tell which it was.
    pub(crate) fn name_of(&self, candidate: &[u8]) -> Option<&Arc<str>> {
        self.entries.iter().fold(None, |found, entry| {
            let matches = entry.current.load().matches(candidate);
            if matches { Some(&entry.name) } else { found }
        })
    }

    /// Looks at the files until the shutdown begins.
    pub(crate) async fn watch(&self, mut shutdown: watch::Receiver<bool>) {
        let mut look = interval(self.poll);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => self.look(),
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// The keys of secrets that cannot be used any more.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let broken = self.entries.iter().filter(|entry| entry.is_unusable());
        let text = |entry: &Entry| {
            format!(
                "route {}: {} cannot be used any more, the secret before stays valid",
                self.route, entry.key
            )
        };
        broken.map(text).collect()
    }

    /// Secrets of one name count together.
    fn measure(&self) {
        for entry in &self.entries {
            let own = self.entries.iter().filter(|other| other.name == entry.name);
            let unusable = own.filter(|other| other.is_unusable()).count();
            let gauge = self.unusable.with(&[self.route.as_str(), &*entry.name]);
            gauge.set(i64::from(unusable > 0));
        }
    }

    /// Takes what changed. What cannot be used is told once, and what was used before stays.
    fn look(&self) {
        for entry in &self.entries {
            let outcome = entry.source.read().map_err(|error| error.to_string()).and_then(|secret| {
                let is_anothers =
                    |other: &&Entry| other.name != entry.name && other.current.load().is_same(&secret);
                match secret.check_length().map_err(|error| error.to_string()) {
                    Ok(()) if entry.current.load().is_same(&secret) => Ok(false),
                    Ok(()) if self.entries.iter().any(|other| is_anothers(&other)) => {
                        Err("is the same secret as one of another name".to_owned())
                    }
                    Ok(()) => {
                        entry.current.store(Arc::new(secret));
                        Ok(true)
                    }
                    Err(reason) => Err(reason),
                }
            });
            let mut told = entry.told.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(changed) => {
                    *told = None;
                    if changed {
                        tracing::info!(secret = &*entry.name, key = entry.key, "a caller's secret changed");
                    }
                }
                Err(reason) if told.as_ref() == Some(&reason) => {}
                Err(reason) => {
                    tracing::error!(
                        secret = &*entry.name,
                        key = entry.key,
                        error = reason,
                        "a caller's secret cannot be used, the one before stays valid"
                    );
                    *told = Some(reason);
                }
            }
        }
        self.measure();
    }
}

// === impl Entry ===

impl Entry {
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
            (Some(_), Some(_)) => return Err("takes only one of file and env".to_owned()),
        };
        let secret = source.read().map_err(|error| error.to_string())?;
        secret.check_length().map_err(|error| error.to_string())?;
        if secret.matches(config.name.as_bytes()) {
            return Err(
                "its name is the secret itself: names are logged and stand in the tenant document".to_owned()
            );
        }
        let current = ArcSwap::from_pointee(secret);
        let (name, key) = (config.name.as_str().into(), key.to_owned());
        Ok(Self { name, key, source, current, told: Mutex::default() })
    }

    /// Says whether its source could not be used when it was looked at last.
    fn is_unusable(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Says whether nobody could tell which of the two callers has sent their secret.
    fn collides(&self, other: &Self) -> bool {
        self.name != other.name && self.current.load().is_same(&other.current.load())
    }
}

/// A secret that is given by a pair of keys of its own.
fn single(key: &str, file: Option<&Path>, env: Option<&str>) -> Option<(String, SecretConfig)> {
    let (file, env) = (file.map(Path::to_owned), env.map(str::to_owned));
    let is_asked_for = file.is_some() || env.is_some();
    is_asked_for.then(|| (key.to_owned(), SecretConfig { name: SHARED.to_owned(), file, env }))
}

/// The name of the secret of `secret_file`, `secret_env` and their predecessors.
const SHARED: &str = "shared";
const SHORTEST_POLL: Duration = Duration::from_millis(10);
const LONGEST_POLL: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
