//! A login that was granted: it is renewed at two thirds of its life, while Vault allows that.

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
    life: Option<Life>,
}

/// How long the token is good for; a token without one never expires.
#[derive(Clone, Copy)]
struct Life {
    /// What was granted first: renewals that give much less say that the end is near.
    whole: Duration,
    renew: Instant,
    end: Instant,
    renewable: bool,
}

/// Whether a session can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// Still, but another login is wanted.
    Ending,
    /// Not any more.
    Over,
}

// === impl Session ===

impl Session {
    /// Takes over what any login method grants; `identity` is shown again when it is renewed.
    pub(super) fn granted(
        connection: &Connection,
        granted: AuthInfo,
        identity: Option<Identity>,
    ) -> Result<Self, VaultError> {
        let life = Life::new(granted.lease_duration, granted.renewable);
        Ok(Self { client: connection.client_as(&Secret::new(granted.client_token), identity)?, life })
    }

    /// Takes a token that somebody else has made, and asks how long it lives; a token that may not ask is used until
    /// Vault refuses it.
    pub(super) async fn given(connection: &Connection, token: &Secret) -> Result<Self, VaultError> {
        let client = connection.client(token)?;
        let life = match client.data(LookupTokenSelfRequest {}).await {
            Ok(found) => Life::new(found.ttl, found.renewable.unwrap_or_default()),
            Err(error) => match VaultError::of_read(error) {
                VaultError::Denied | VaultError::NotFound | VaultError::Answer => None,
                away => return Err(away),
            },
        };
        Ok(Self { client, life })
    }

    /// Renews it if it is time for that, and says whether it can be used.
    pub(super) async fn renew(&mut self) -> Standing {
        let Some(life) = self.life else { return Standing::Good };
        let now = Instant::now();
        if now < life.renew {
            return Standing::Good;
        }
        if now >= life.end {
            return Standing::Over;
        }
        if !life.renewable {
            return Standing::Ending;
        }
        match self.client.auth(RenewTokenSelfRequest { increment: None }).await {
            Ok(renewed) => {
                let Some(next) = Life::new(renewed.lease_duration, renewed.renewable) else {
                    return Standing::Ending;
                };
                // At the end of its longest life a token gets ever less.
                let renewable = next.renewable && next.end - now > life.whole / 2;
                self.life = Some(Life { whole: life.whole, renewable, ..next });
                Standing::Good
            }
            Err(error) => match VaultError::of_login(error) {
                VaultError::Login { .. } => Standing::Ending,
                // Vault is away: the token is as good as before.
                _ => {
                    self.postpone();
                    Standing::Good
                }
            },
        }
    }

    /// Puts the renewal off a little: something else is in the way.
    pub(super) fn postpone(&mut self) {
        if let Some(life) = &mut self.life {
            let now = Instant::now();
            life.renew = now + life.end.saturating_duration_since(now) / 4;
        }
    }

    /// When it wants to be looked at again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.life.map(|life| life.renew)
    }

    pub(super) fn client(&self) -> &VaultClient {
        &self.client
    }
}

// === impl Life ===

impl Life {
    fn new(seconds: u64, renewable: bool) -> Option<Self> {
        let (whole, now) = (Duration::from_secs(seconds), Instant::now());
        // The last third is left for a Vault that is away.
        (seconds > 0).then(|| Self { whole, renew: now + whole * 2 / 3, end: now + whole, renewable })
    }
}
