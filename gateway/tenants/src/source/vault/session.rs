//! A login that was granted: it is renewed at two thirds of its life, while Vault allows that.

use std::time::Duration;

use tokio::time::Instant;
use vaultrs::api::AuthInfo;
use vaultrs::client::VaultClient;
use vaultrs::token;

use kyc_model::Secret;

use super::VaultError;
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

// === impl Session ===

impl Session {
    /// Takes over what any login method grants.
    pub(super) fn granted(connection: &Connection, granted: AuthInfo) -> Result<Self, VaultError> {
        let life = Life::new(granted.lease_duration, granted.renewable);
        Ok(Self { client: connection.client(&Secret::new(granted.client_token))?, life })
    }

    /// Takes a token that somebody else has made, and asks how long it lives; a token that may not ask is used until
    /// Vault refuses it.
    pub(super) async fn given(connection: &Connection, token: &Secret) -> Result<Self, VaultError> {
        let client = connection.client(token)?;
        let life = match token::lookup_self(&client).await {
            Ok(found) => Life::new(found.ttl, found.renewable.unwrap_or_default()),
            Err(_) => None,
        };
        Ok(Self { client, life })
    }

    /// The session, renewed if it is time for that; `None` when another login is needed.
    pub(super) async fn kept(mut self) -> Option<Self> {
        let Some(life) = self.life else { return Some(self) };
        let now = Instant::now();
        if now < life.renew {
            return Some(self);
        }
        if !life.renewable || now >= life.end {
            return None;
        }
        let renewed = token::renew_self(&self.client, None).await.ok()?;
        let next = Life::new(renewed.lease_duration, renewed.renewable)?;
        // At the end of its longest life a token gets ever less.
        let renewable = next.renewable && next.end - now > life.whole / 2;
        self.life = Some(Life { whole: life.whole, renewable, ..next });
        Some(self)
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
