//! A session at Vault: a client with a token, which is renewed after two thirds of its lifetime while Vault allows that.

use std::time::Duration;

use reqwest::Identity;
use tokio::time::Instant;
use vaultrs::api::AuthInfo;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RenewTokenSelfRequest};

use kyc_model::Secret;

use super::VaultError;
use super::client::VaultClient;
use super::connection::Connection;

/// A client with a token.
pub(super) struct Session {
    client: VaultClient,
    /// `None` for a token that never expires.
    lifetime: Option<Lifetime>,
}

/// How long a token is valid.
#[derive(Clone, Copy)]
struct Lifetime {
    /// The lifetime that the login granted. A renewal that grants much less shows that the token nears its maximum TTL.
    granted: Duration,
    renew: Instant,
    end: Instant,
    renewable: bool,
}

/// Whether the token of a session can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenState {
    /// The token can be used.
    Valid,
    /// The token can still be used, but cannot be renewed: a new login is due.
    Ending,
    /// The token has expired.
    Expired,
}

// === impl Session ===

impl Session {
    /// Builds a session from the response of a login. `identity` is the client certificate of the login; Vault requires it
    /// again for a renewal.
    pub(super) fn from_login(
        connection: &Connection,
        granted: AuthInfo,
        identity: Option<Identity>,
    ) -> Result<Self, VaultError> {
        let lifetime = Lifetime::new(granted.lease_duration, granted.renewable);
        let token = Secret::new(granted.client_token);
        Ok(Self { client: connection.with_token_and_certificate(&token, identity)?, lifetime })
    }

    /// Builds a session from an existing token, and looks up its lifetime. If the token's policy denies the look-up, the token
    /// is used until Vault refuses it.
    pub(super) async fn from_token(connection: &Connection, token: &Secret) -> Result<Self, VaultError> {
        let client = connection.with_token(token)?;
        let lifetime = match client.data(LookupTokenSelfRequest {}).await {
            Ok(found) => Lifetime::new(found.ttl, found.renewable.unwrap_or_default()),
            Err(error) => match VaultError::of_read(error) {
                VaultError::Denied | VaultError::NotFound | VaultError::UnexpectedResponse => None,
                failure => return Err(failure),
            },
        };
        Ok(Self { client, lifetime })
    }

    /// Renews the token if it is time for that, and returns whether the token can be used.
    pub(super) async fn renew_if_due(&mut self) -> TokenState {
        let Some(lifetime) = self.lifetime else { return TokenState::Valid };
        let now = Instant::now();
        if now < lifetime.renew {
            return TokenState::Valid;
        }
        if now >= lifetime.end {
            return TokenState::Expired;
        }
        if !lifetime.renewable {
            return TokenState::Ending;
        }
        match self.client.auth(RenewTokenSelfRequest { increment: None }).await {
            Ok(renewed) => {
                let Some(next) = Lifetime::new(renewed.lease_duration, renewed.renewable) else {
                    return TokenState::Ending;
                };
                // Near its maximum TTL, a token gets a shorter lifetime at each renewal. A new login is better then.
                let renewable = next.renewable && next.end - now > lifetime.granted / 2;
                self.lifetime = Some(Lifetime { granted: lifetime.granted, renewable, ..next });
                TokenState::Valid
            }
            Err(error) => match VaultError::of_login(error) {
                VaultError::Login { .. } => TokenState::Ending,
                // Vault is unreachable, which does not shorten the token's lifetime.
                _ => {
                    self.postpone();
                    TokenState::Valid
                }
            },
        }
    }

    /// Postpones the renewal by a quarter of the remaining lifetime, after a failed attempt.
    pub(super) fn postpone(&mut self) {
        if let Some(lifetime) = &mut self.lifetime {
            let now = Instant::now();
            lifetime.renew = now + lifetime.end.saturating_duration_since(now) / 4;
        }
    }

    /// Returns when the token is due for renewal; `None` when it never expires.
    pub(super) fn renewal_due(&self) -> Option<Instant> {
        self.lifetime.map(|lifetime| lifetime.renew)
    }

    pub(super) fn client(&self) -> &VaultClient {
        &self.client
    }
}

// === impl Lifetime ===

impl Lifetime {
    /// Builds the lifetime of a token granted now; `None` for 0 seconds, which Vault sends for a token that never expires.
    fn new(seconds: u64, renewable: bool) -> Option<Self> {
        let (granted, now) = (Duration::from_secs(seconds), Instant::now());
        // The last third is a reserve for retries while Vault is unreachable.
        (seconds > 0).then(|| Self { granted, renew: now + granted * 2 / 3, end: now + granted, renewable })
    }
}
