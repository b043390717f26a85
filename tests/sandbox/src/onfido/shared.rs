//! The state that the handlers share.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::account::Accounts;
use super::completion::{Completion, Notifies};
use super::notifier::Notifier;
use super::request::Request;
use super::settings::Settings;
use crate::journal::Journal;

/// The state that the handlers share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) origin: String,
    pub(super) accounts: Accounts,
    pub(super) requests: Journal<Request>,
    pub(super) notifier: Notifier,
    /// How many seconds the clock is ahead.
    pub(super) ahead: AtomicI64,
    /// Which completed reports are notified; without it, all.
    pub(super) notifies: Mutex<Option<Notifies>>,
}

// === impl Shared ===

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Shared {
    /// Returns whether a completed report is notified.
    pub(super) fn is_notified(&self, completion: &Completion<'_>) -> bool {
        let notifies = self.notifies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        notifies.is_none_or(|notifies| notifies(completion))
    }

    /// The time of this Onfido.
    pub(super) fn now(&self) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let offset = Duration::from_secs(ahead.unsigned_abs());
        if ahead < 0 { SystemTime::now() - offset } else { SystemTime::now() + offset }
    }

    /// The path of a resource, for `href`.
    pub(super) fn href(&self, collection: &str, id: &str) -> String {
        format!("{}/{collection}/{id}", self.settings.base_path)
    }

    /// The absolute URL of a resource.
    pub(super) fn url(&self, collection: &str, id: &str) -> String {
        format!("{}{}", self.origin, self.href(collection, id))
    }
}
