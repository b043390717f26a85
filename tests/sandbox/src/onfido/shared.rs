//! The state that the handlers share.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use super::account::Accounts;
use super::notifier::Notifier;
use super::request::Request;
use super::settings::Settings;
use crate::journal::Journal;

/// The state that the handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) origin: String,
    pub(super) accounts: Accounts,
    pub(super) requests: Journal<Request>,
    pub(super) notifier: Notifier,
    /// How many seconds the clock is ahead.
    pub(super) ahead: AtomicI64,
}

// === impl Shared ===

impl Shared {
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
