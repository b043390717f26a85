//! The state that the handlers share.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ledger::{Entry, Ledger};
use super::mode::{Mode, Refusal, Refuses};
use super::sessions::Sessions;
use super::settings::{Account, Settings};
use super::traffic::{Call, Delivery};
use crate::journal::Journal;

pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) accounts: Mutex<Vec<Account>>,
    /// The tenants whose accounts are inactive.
    pub(super) inactive: Mutex<HashSet<String>>,
    pub(super) mode: Mutex<Mode>,
    pub(super) refuses: Mutex<Option<Refuses>>,
    pub(super) sessions: Sessions,
    pub(super) calls: Journal<Call>,
    pub(super) deliveries: Journal<Delivery>,
    pub(super) ledger: Option<Ledger>,
}

// === impl Shared ===

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn mode(&self) -> Mode {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_mode(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Returns how an event is refused; `None` if it is accepted.
    pub(super) fn refusal(&self, event: &[u8]) -> Option<Refusal> {
        let refuses = self.refuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        refuses.and_then(|refuses| refuses(event))
    }

    /// Returns the tenant of the first account that `wanted` accepts. FintechOS checks every credential of a dialect, so `wanted`
    /// must compare all of them.
    pub(super) fn account(&self, wanted: impl Fn(&Account) -> bool) -> Option<String> {
        self.accounts().iter().find(|account| wanted(account)).map(|account| account.tenant.clone())
    }

    /// Returns the accounts that may log in.
    pub(super) fn accounts(&self) -> MutexGuard<'_, Vec<Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the tenants whose accounts are inactive.
    pub(super) fn inactive(&self) -> MutexGuard<'_, HashSet<String>> {
        self.inactive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an event. With a ledger it is written before this returns.
    pub(super) async fn take(&self, delivery: Delivery) -> io::Result<()> {
        if let Some(ledger) = &self.ledger {
            ledger.write(Entry::from(&delivery)).await?;
        }
        if self.settings.keep {
            self.deliveries.push(delivery);
        }
        Ok(())
    }
}
