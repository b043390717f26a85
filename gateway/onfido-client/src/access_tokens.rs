//! The access tokens of tenants with an OAuth client: one cache for the gateway.
//!
//! A token is fetched when the first call of a tenant needs one, and again in the background before it ends: calls use the
//! current one meanwhile, and go on using it while Onfido gives no other. A tenant has one fetch at a time, and after a failure a
//! pause that grows. A call without a usable token waits for six seconds at most. An expired token is never sent. A token that
//! Onfido refuses with 401 is replaced by the next call, at most once in ten seconds; should that fetch fail, it stays in use, since
//! a 401 can have other reasons.

mod entry;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use entry::TokenEntry;
use http::HeaderValue;
use kyc_http_client::{Cleartext, ClientError, ClientSettings};
use kyc_model::{Credential, OAuthClient, Tenant, TenantName};
use kyc_resilience::SingleFlight;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use crate::access_token::{AccessToken, Moment};
use crate::observer::{FetchResult, TokenObserver};
use crate::token_error::TokenError;
use crate::token_exchange::{TokenExchange, TokenIssuer};

/// The access tokens of all tenants. Clones share them.
#[derive(Clone)]
pub struct AccessTokens(Arc<Shared>);

struct Shared {
    issuer: Box<dyn TokenIssuer>,
    observer: Box<dyn TokenObserver>,
    flights: SingleFlight<Arc<AccessToken>, TokenError>,
    entries: RwLock<HashMap<TenantName, Vec<Arc<TokenEntry>>>>,
    system_clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
}

// === impl AccessTokens ===

impl AccessTokens {
    /// Builds the client that fetches tokens; opens no connection.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the certificates cannot be used.
    pub fn new(
        settings: ClientSettings<'_>,
        cleartext: Cleartext,
        observer: impl TokenObserver,
    ) -> Result<Self, ClientError> {
        let exchange = TokenExchange::new(settings, cleartext)?;
        Ok(Self::with_issuer(exchange, observer, SystemTime::now))
    }

    fn with_issuer(
        issuer: impl TokenIssuer,
        observer: impl TokenObserver,
        system_clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            issuer: Box::new(issuer),
            observer: Box::new(observer),
            flights: SingleFlight::new(),
            entries: RwLock::default(),
            system_clock: Box::new(system_clock),
        }))
    }

    /// Returns the value of `Authorization` for a call of the tenant. For an API token it is always there.
    ///
    /// # Errors
    ///
    /// [`TokenError`] when the tenant has an OAuth client and there is no usable token within six seconds.
    pub async fn authorization(&self, tenant: &Tenant) -> Result<HeaderValue, TokenError> {
        match &tenant.credential {
            Credential::ApiToken(authorization) => Ok(authorization.clone()),
            Credential::OAuth(client) => {
                timeout(LONGEST_WAIT, self.wait(tenant, client)).await.unwrap_or(Err(TokenError::Timeout))
            }
        }
    }

    /// The same without waiting; `None` if a token must be fetched first. When it is time, spawns a task that refreshes the token, so
    /// call it within a tokio runtime.
    pub fn ready(&self, tenant: &Tenant) -> Option<HeaderValue> {
        match &tenant.credential {
            Credential::ApiToken(authorization) => Some(authorization.clone()),
            Credential::OAuth(client) => self.current(tenant, client, &self.0.entry(tenant)),
        }
    }

    /// Reports that Onfido answered 401 to a call with this value. The next call fetches another token.
    pub fn refused(&self, tenant: &Tenant, authorization: &HeaderValue) {
        match &tenant.credential {
            Credential::ApiToken(_) => {}
            Credential::OAuth(_) => {
                if self.0.entry(tenant).suspect(authorization, self.0.now()) {
                    warn!(tenant = %tenant.name, "Onfido refused an access token before its end; fetching another");
                }
            }
        }
    }

    /// Returns until when the token of each tenant is used, for tenants with calls in the last hour.
    pub fn ends(&self) -> Vec<(TenantName, SystemTime)> {
        let (now, entries) = (self.0.now(), self.0.entries.read().unwrap_or_else(PoisonError::into_inner));
        let end = |known: &Vec<Arc<TokenEntry>>| known.last().and_then(|entry| entry.end(now));
        entries.iter().filter_map(|(name, known)| Some((name.clone(), end(known)?))).collect()
    }

    fn current(&self, tenant: &Tenant, client: &OAuthClient, entry: &Arc<TokenEntry>) -> Option<HeaderValue> {
        let now = self.0.now();
        let token = entry.usable(tenant, now)?;
        if token.is_suspect() && entry.pause(now).is_none() {
            return None;
        }
        if token.is_due(now)
            && let Some(refresh) = entry.begin_refresh(now)
        {
            let (tokens, tenant) = (self.clone(), tenant.clone());
            let (client, entry) = (client.clone(), Arc::clone(entry));
            tokio::spawn(async move {
                let is_fresh = |token: &AccessToken, now| !token.is_due(now);
                // The failure is logged and counted where it happened.
                let _ = tokens.fetch(&tenant, &client, &entry, is_fresh).await;
                drop(refresh);
            });
        }
        Some(token.authorization().clone())
    }

    async fn wait(&self, tenant: &Tenant, client: &OAuthClient) -> Result<HeaderValue, TokenError> {
        let (entry, started) = (self.0.entry(tenant), Instant::now());
        loop {
            if let Some(authorization) = self.current(tenant, client, &entry) {
                return Ok(authorization);
            }
            if let Some((error, wait)) = entry.pause(self.0.now()) {
                if !entry.is_worth_waiting() || started.elapsed() + wait >= LONGEST_WAIT {
                    return Err(error);
                }
                sleep(wait).await;
                continue;
            }
            let is_usable = |token: &AccessToken, _| !token.is_suspect();
            match self.fetch(tenant, client, &entry, is_usable).await {
                Ok(authorization) => return Ok(authorization),
                Err(error @ TokenError::Abandoned) => return Err(error),
                // Another round uses a suspect token, or waits. The sleep is for a failure that the flight still keeps.
                Err(_) => sleep(ROUND).await,
            }
        }
    }

    /// Fetches a token, unless a concurrent fetch has brought one that `is_enough`. The fetch runs in its own task: when the caller
    /// leaves, others still wait for it.
    async fn fetch(
        &self,
        tenant: &Tenant,
        client: &OAuthClient,
        entry: &Arc<TokenEntry>,
        is_enough: impl Fn(&AccessToken, Moment) -> bool,
    ) -> Result<HeaderValue, TokenError> {
        let is_usable = |token: &Arc<AccessToken>| {
            let now = self.0.now();
            token.is_usable(tenant, now) && is_enough(token, now)
        };
        let make = || {
            let (shared, tenant) = (Arc::clone(&self.0), tenant.clone());
            let (client, entry) = (client.clone(), Arc::clone(entry));
            async move { shared.request(&tenant, &client, &entry).await }
        };
        let token = self.0.flights.value_apart(tenant, is_usable, make).await?;
        Ok(token.authorization().clone())
    }
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokens").finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn now(&self) -> Moment {
        Moment { monotonic: Instant::now(), system: (self.system_clock)() }
    }

    /// Makes one request, and records its result.
    async fn request(
        &self,
        tenant: &Tenant,
        client: &OAuthClient,
        entry: &TokenEntry,
    ) -> Result<Arc<AccessToken>, TokenError> {
        let asked = self.now();
        let granted = self.issuer.fetch(&tenant.base, client).await;
        let made = granted.map(|grant| AccessToken::new(grant, tenant, asked)).and_then(|token| {
            let is_usable = token.is_usable(tenant, self.now());
            is_usable.then_some(token).ok_or(TokenError::Unusable("it came after the end of its life"))
        });
        let name = tenant.name.as_str();
        match made {
            Ok(token) => {
                let token = Arc::new(token);
                entry.publish(Arc::clone(&token));
                self.observer.fetched(name, FetchResult::Ok);
                debug!(tenant = name, "access token fetched");
                Ok(token)
            }
            Err(error) => {
                let wait = entry.fail(&error, self.now());
                self.observer.fetched(name, result_of(&error));
                warn!(
                    tenant = name,
                    error = &error as &dyn Error,
                    retry_ms = wait.as_millis(),
                    "cannot fetch an access token"
                );
                Err(error)
            }
        }
    }

    /// Returns what is known about the entry of the tenant.
    fn entry(&self, tenant: &Tenant) -> Arc<TokenEntry> {
        let find = |entries: &HashMap<TenantName, Vec<Arc<TokenEntry>>>| {
            entries.get(&tenant.name)?.iter().find(|entry| entry.is_of(tenant)).map(Arc::clone)
        };
        // The common case takes a shared lock only.
        if let Some(entry) = find(&self.entries.read().unwrap_or_else(PoisonError::into_inner)) {
            return entry;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added it between both locks.
        if let Some(entry) = find(&entries) {
            return entry;
        }
        let now = self.now();
        // Rare enough for a scan: an entry is new or has changed.
        entries.retain(|_, known| {
            known.retain(|entry| !entry.is_idle(now));
            !known.is_empty()
        });
        let known = entries.entry(tenant.name.clone()).or_default();
        // Calls that began before a change of the document still have the entry before it.
        if known.len() >= ENTRIES_PER_TENANT {
            known.remove(0);
        }
        let entry = Arc::new(TokenEntry::new(tenant.fingerprint));
        known.push(Arc::clone(&entry));
        entry
    }
}

fn result_of(error: &TokenError) -> FetchResult {
    match error {
        TokenError::Refused { .. } => FetchResult::Refused,
        TokenError::RateLimited { .. } => FetchResult::RateLimited,
        TokenError::Unavailable { .. }
        | TokenError::Unexpected { .. }
        | TokenError::Unusable(_)
        | TokenError::Transport(_)
        | TokenError::Timeout
        | TokenError::Abandoned => FetchResult::Failed,
    }
}

/// How long a call waits for a token: one fetch that times out, and a little more.
const LONGEST_WAIT: Duration = Duration::from_secs(6);
const ROUND: Duration = Duration::from_millis(20);
const ENTRIES_PER_TENANT: usize = 2;

#[cfg(test)]
mod tests;
