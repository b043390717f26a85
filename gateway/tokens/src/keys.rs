//! The provider's keys, fetched beside requests and kept while it is away.

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

/// The keys that tokens are signed with.
pub struct Keys {
    client: Client,
    cleartext: Cleartext,
    source: Source,
    refresh: Duration,
    demand: Demand,
    current: ArcSwap<Vec<(Option<String>, DecodingKey)>>,
    /// Told when a token names a key that is not here.
    missed: Notify,
}

/// Whether callers can be let in without keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nobody can, so that the gateway is not ready before there are some.
    Needed,
    /// Whoever has something else than a token can.
    Optional,
}

/// Where the keys are.
enum Source {
    Keys(Url),
    /// The provider's description says (OpenID Connect Discovery 1.0, section 4).
    Discovery {
        description: Url,
        issuer: String,
    },
}

/// What a provider says of itself, as far as it matters.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("no answer: {0}")]
    Transport(#[from] reqwest::Error),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the answer is a redirect, and redirects are not followed")]
    Redirect,
    #[error("the description is another issuer's")]
    OtherIssuer,
    #[error("{0}")]
    Address(String),
    #[error("it has no key for signatures")]
    Empty,
}

// === impl Keys ===

impl Keys {
    /// Prepares a client; asks nothing yet. Relative paths count from `folder`.
    ///
    /// # Errors
    ///
    /// The setting that cannot be used. Its path counts from the section with the [`TokenConfig`].
    pub fn new(config: &TokenConfig, folder: &Path, demand: Demand) -> Result<Arc<Self>, ConfigError> {
        let cleartext = Cleartext::from_setting(config.allow_http);
        let address =
            |key, text: &str| address(text, cleartext).map_err(|reason| ConfigError::at(key, reason));
        let source = match &config.keys_url {
            Some(url) => Source::Keys(address("keys_url", url)?),
            None => {
                let text =
                    format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
                let description = address("issuer", &text)?;
                Source::Discovery { description, issuer: config.issuer.clone() }
            }
        };
        if !(AT_MOST_EVERY..=LONGEST_REFRESH).contains(&config.refresh) {
            return Err(ConfigError::at("refresh", "must be from 5 s to 7 days"));
        }
        let ca_file = config.ca_file.as_ref().map(|file| folder.join(file));
        let trust = Trust::system_and(ca_file.as_deref());
        let settings =
            ClientSettings { whole: Some(ANSWER_WITHIN), ..ClientSettings::new(ANSWER_WITHIN, trust) };
        let client = settings.build().map_err(|error| ConfigError::at("ca_file", error.to_string()))?;
        let (refresh, current, missed) = (config.refresh, ArcSwap::default(), Notify::new());
        Ok(Arc::new(Self { client, cleartext, source, refresh, demand, current, missed }))
    }

    /// Says whether there ever were any.
    pub fn are_known(&self) -> bool {
        !self.current.load().is_empty()
    }

    /// Says whether callers can be let in.
    pub fn are_enough(&self) -> bool {
        match self.demand {
            Demand::Needed => self.are_known(),
            Demand::Optional => true,
        }
    }

    /// The key of that id; without one the only key there is.
    pub fn find(&self, id: Option<&str>) -> Option<DecodingKey> {
        let keys = self.current.load();
        let found = match (id, keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|(known, _)| known.as_deref() == Some(id)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        if found.is_none() {
            self.missed.notify_one();
        }
        found.map(|(_, key)| key.clone())
    }

    /// Takes a set of keys as it is, without those that sign nothing.
    fn take(&self, set: &JwkSet) -> Result<usize, FetchError> {
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
            Source::Discovery { description, issuer } => {
                let description: Description = self.get(description.clone()).await?;
                if description.issuer != *issuer {
                    return Err(FetchError::OtherIssuer);
                }
                address(&description.jwks_uri, self.cleartext).map_err(FetchError::Address)?
            }
        };
        let set: JwkSet = self.get(keys).await?;
        self.take(&set)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, FetchError> {
        let answer = self.client.get(url).send().await?.error_for_status()?;
        if answer.status().is_redirection() {
            return Err(FetchError::Redirect);
        }
        let body = read_whole(answer, MOST_BYTES).await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

impl Keys {
    /// Fetches them again and again until the shutdown begins.
    pub async fn watch(&self, mut shutdown: watch::Receiver<bool>) {
        while !*shutdown.borrow() {
            let asked = Instant::now();
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
                    tracing::error!(%error, "token keys cannot be fetched, those before stay");
                    AT_MOST_EVERY
                }
            };
            // Whoever sends tokens with made-up keys makes nobody ask more often.
            let missed = async {
                sleep_until(asked + AT_MOST_EVERY).await;
                self.missed.notified().await;
            };
            tokio::select! {
                () = sleep_until(asked + next) => {}
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
    /// Keys that are there already.
    pub(super) fn known(config: &TokenConfig, set: Value) -> Arc<Self> {
        let keys = Self::new(config, Path::new(""), Demand::Needed).unwrap();
        keys.take(&serde_json::from_value(set).unwrap()).unwrap();
        keys
    }
}

/// A public key for signatures; shared secrets and keys for other uses are none.
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

/// An address with TLS, or on this machine, or wherever the operator allows it.
fn address(text: &str, cleartext: Cleartext) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is no URL: {error}"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!("`{text}` must begin with https://"));
    }
    cleartext.check(&url).map_err(|problem| format!("`{text}` {problem}"))?;
    Ok(url)
}

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const AT_MOST_EVERY: Duration = Duration::from_secs(5);
const LONGEST_REFRESH: Duration = Duration::from_secs(7 * 24 * 3600);
/// Providers have a few keys of some KiB.
const MOST_BYTES: usize = 1024 * 1024;
