//! The provider's public keys. A background task fetches them, so that no request waits for the provider, and the last keys
//! stay in use while the provider is unreachable.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use kyc_http_client::{BodyError, Cleartext, ClientSettings, Trust, read_whole};
use kyc_model::ConfigError;
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
#[cfg(test)]
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::config::TokenConfig;

/// The public keys of one provider, which verify its tokens.
pub struct Keys {
    client: Client,
    cleartext: Cleartext,
    source: Source,
    refresh: Duration,
    demand: Demand,
    current: ArcSwap<Vec<(Option<String>, DecodingKey)>>,
    /// Wakes the fetch task when a token names an unknown key.
    missed: Notify,
}

/// Whether callers can be authenticated without keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// They cannot: the gateway is not ready before the first keys are fetched.
    Needed,
    /// They can, by another credential than a token.
    Optional,
}

/// How to find the key set.
enum Source {
    Keys(Url),
    /// By `jwks_uri` of the provider's metadata (OpenID Connect Discovery 1.0, section 4).
    Discovery {
        metadata: Url,
        issuer: String,
    },
}

/// The fields of a provider's metadata that the gateway reads.
#[derive(Deserialize)]
struct ProviderMetadata {
    issuer: String,
    jwks_uri: String,
}

/// Why the keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("no response: {0}")]
    Transport(#[from] reqwest::Error),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("cannot parse the response: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the response is a redirect, and redirects are not followed")]
    Redirect,
    #[error("the provider metadata has another issuer")]
    OtherIssuer,
    #[error("{0}")]
    Address(String),
    #[error("the key set contains no usable key for signatures")]
    Empty,
}

// === impl Keys ===

impl Keys {
    /// Builds the HTTP client; fetches nothing yet. Relative paths start at `folder`.
    ///
    /// # Errors
    ///
    /// The setting that cannot be used; its path is relative to the section of the [`TokenConfig`].
    pub fn new(config: &TokenConfig, folder: &Path, demand: Demand) -> Result<Arc<Self>, ConfigError> {
        let cleartext = Cleartext::from_setting(config.allow_http);
        let address =
            |key, text: &str| address(text, cleartext).map_err(|reason| ConfigError::at(key, reason));
        let source = match &config.keys_url {
            Some(url) => Source::Keys(address("keys_url", url)?),
            None => {
                let text =
                    format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
                let metadata = address("issuer", &text)?;
                Source::Discovery { metadata, issuer: config.issuer.clone() }
            }
        };
        if !(MIN_FETCH_INTERVAL..=MAX_REFRESH).contains(&config.refresh) {
            return Err(ConfigError::at("refresh", "must be from 5 s to 7 days"));
        }
        let ca_file = config.ca_file.as_ref().map(|file| folder.join(file));
        let trust = Trust::system_and(ca_file.as_deref());
        let settings =
            ClientSettings { whole: Some(FETCH_TIMEOUT), ..ClientSettings::new(FETCH_TIMEOUT, trust) };
        let client = settings.build().map_err(|error| ConfigError::at("ca_file", error.to_string()))?;
        let (refresh, current, missed) = (config.refresh, ArcSwap::default(), Notify::new());
        Ok(Arc::new(Self { client, cleartext, source, refresh, demand, current, missed }))
    }

    /// Returns whether keys were ever fetched.
    pub fn are_known(&self) -> bool {
        !self.current.load().is_empty()
    }

    /// Returns whether callers can be authenticated: keys were fetched, or are optional.
    pub fn are_sufficient(&self) -> bool {
        match self.demand {
            Demand::Needed => self.are_known(),
            Demand::Optional => true,
        }
    }

    /// Finds the key with the id (`kid`). Without an id, it returns the only key of the set; with several keys, none. A miss
    /// wakes the fetch task.
    pub fn find(&self, id: Option<&str>) -> Option<DecodingKey> {
        let keys = self.current.load();
        let found = match (id, keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|(known, _)| known.as_deref() == Some(id)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        if found.is_none() {
            // `notify_one` keeps the wake-up when the task is not waiting, so a miss during a fetch is not lost.
            self.missed.notify_one();
        }
        found.map(|(_, key)| key.clone())
    }

    /// Replaces the keys by the usable ones of a set, and returns their number.
    fn replace(&self, set: &JwkSet) -> Result<usize, FetchError> {
        let keys: Vec<_> = set.keys.iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(FetchError::Empty);
        }
        let count = keys.len();
        self.current.store(Arc::new(keys));
        Ok(count)
    }

    async fn fetch(&self) -> Result<usize, FetchError> {
        let keys = match &self.source {
            Source::Keys(url) => url.clone(),
            Source::Discovery { metadata, issuer } => {
                let metadata: ProviderMetadata = self.fetch_json(metadata.clone()).await?;
                // Required by OpenID Connect Discovery 1.0, section 4.3.
                if metadata.issuer != *issuer {
                    return Err(FetchError::OtherIssuer);
                }
                address(&metadata.jwks_uri, self.cleartext).map_err(FetchError::Address)?
            }
        };
        let set: JwkSet = self.fetch_json(keys).await?;
        self.replace(&set)
    }

    async fn fetch_json<T: DeserializeOwned>(&self, url: Url) -> Result<T, FetchError> {
        let response = self.client.get(url).send().await?.error_for_status()?;
        // The client follows no redirects, and `error_for_status` accepts them.
        if response.status().is_redirection() {
            return Err(FetchError::Redirect);
        }
        let body = read_whole(response, MAX_RESPONSE_BYTES).await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

impl Keys {
    /// Fetches the keys periodically, and when a token names an unknown key, until the shutdown begins.
    pub async fn watch(&self, mut shutdown: watch::Receiver<bool>) {
        while !*shutdown.borrow() {
            let started = Instant::now();
            let fetched = tokio::select! {
                fetched = self.fetch() => fetched,
                _ = shutdown.changed() => continue,
            };
            let next = match fetched {
                Ok(keys) => {
                    tracing::debug!(keys, "token keys fetched");
                    self.refresh
                }
                Err(error) => {
                    tracing::error!(%error, "cannot fetch token keys; the previous keys stay in use");
                    MIN_FETCH_INTERVAL
                }
            };
            // A caller can send tokens with invented key ids, so an unknown key must not cause a fetch each time.
            let missed = async {
                sleep_until(started + MIN_FETCH_INTERVAL).await;
                self.missed.notified().await;
            };
            tokio::select! {
                () = sleep_until(started + next) => {}
                () = missed => {}
                _ = shutdown.changed() => {}
            }
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("known", &self.current.load().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Keys {
    /// Builds keys as if `set` had been fetched.
    pub(super) fn fetched(config: &TokenConfig, set: Value) -> Arc<Self> {
        let keys = Self::new(config, Path::new(""), Demand::Needed).unwrap();
        keys.replace(&serde_json::from_value(set).unwrap()).unwrap();
        keys
    }
}

/// Converts a public key for signatures; `None` for shared secrets and for keys of other uses. A shared secret in a public
/// key set would let anyone sign tokens.
fn usable(key: &Jwk) -> Option<(Option<String>, DecodingKey)> {
    let is_public =
        matches!(key.algorithm, AlgorithmParameters::RSA(_) | AlgorithmParameters::EllipticCurve(_));
    let is_for_signatures =
        key.common.public_key_use.as_ref().is_none_or(|use_| *use_ == PublicKeyUse::Signature);
    if !is_public || !is_for_signatures {
        return None;
    }
    Some((key.common.key_id.clone(), DecodingKey::from_jwk(key).ok()?))
}

/// Parses an http or https URL. Without TLS, it must be on this machine unless `cleartext` allows others.
fn address(text: &str, cleartext: Cleartext) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!("`{text}` must begin with https://"));
    }
    cleartext.check(&url).map_err(|problem| format!("`{text}` {problem}"))?;
    Ok(url)
}

/// The time limit of one request to the provider.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest time between the starts of two fetches.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(5);
const MAX_REFRESH: Duration = Duration::from_secs(7 * 24 * 3600);
/// A key set of a provider has a few keys of some KiB each.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;
