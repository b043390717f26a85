//! Accounts and their resources.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::collection::Collection;
use super::webhook::Webhook;

/// All accounts, by name and by token.
#[derive(Debug, Default)]
pub(super) struct Accounts(RwLock<Index>);

#[derive(Debug, Default)]
struct Index {
    names: HashMap<String, Arc<Account>>,
    tokens: HashMap<String, Arc<Account>>,
}

/// An account at Onfido. Accounts cannot access each other's resources.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    resources: Mutex<Resources>,
    webhooks: Mutex<Vec<Webhook>>,
}

/// The resources of an account.
#[derive(Debug, Default)]
pub(super) struct Resources {
    pub(super) applicants: Collection,
    pub(super) checks: Collection,
    pub(super) reports: Collection,
    pub(super) documents: Collection,
    pub(super) live_photos: Collection,
    pub(super) workflow_runs: Collection,
}

// === impl Accounts ===

impl Accounts {
    pub(super) fn add(&self, name: &str, token: &str) {
        let account = Arc::new(Account {
            name: name.to_owned(),
            resources: Mutex::default(),
            webhooks: Mutex::default(),
        });
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        index.names.insert(name.to_owned(), Arc::clone(&account));
        index.tokens.insert(token.to_owned(), account);
    }

    pub(super) fn add_token(&self, name: &str, token: &str) {
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = index.names.get(name).cloned() {
            index.tokens.insert(token.to_owned(), account);
        }
    }

    pub(super) fn revoke(&self, token: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).tokens.remove(token);
    }

    pub(super) fn named(&self, name: &str) -> Option<Arc<Account>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).names.get(name).cloned()
    }

    pub(super) fn with_token(&self, token: &str) -> Option<Arc<Account>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).tokens.get(token).cloned()
    }
}

// === impl Account ===

impl Account {
    pub(super) fn resources(&self) -> MutexGuard<'_, Resources> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn webhooks(&self) -> Vec<Webhook> {
        self.lock_webhooks().clone()
    }

    pub(super) fn webhook(&self, id: &str) -> Option<Webhook> {
        self.lock_webhooks().iter().find(|webhook| webhook.id == id).cloned()
    }

    pub(super) fn add_webhook(&self, webhook: Webhook) -> Webhook {
        self.lock_webhooks().push(webhook.clone());
        webhook
    }

    /// Adds a webhook, or replaces the one with its id.
    pub(super) fn put_webhook(&self, webhook: Webhook) {
        let mut webhooks = self.lock_webhooks();
        match webhooks.iter_mut().find(|one| one.id == webhook.id) {
            Some(found) => *found = webhook,
            None => webhooks.push(webhook),
        }
    }

    pub(super) fn change_webhook(&self, id: &str, change: impl FnOnce(&mut Webhook)) -> Option<Webhook> {
        let mut webhooks = self.lock_webhooks();
        let webhook = webhooks.iter_mut().find(|webhook| webhook.id == id)?;
        change(webhook);
        Some(webhook.clone())
    }

    pub(super) fn remove_webhook(&self, id: &str) -> bool {
        let mut webhooks = self.lock_webhooks();
        let before = webhooks.len();
        webhooks.retain(|webhook| webhook.id != id);
        webhooks.len() < before
    }

    fn lock_webhooks(&self) -> MutexGuard<'_, Vec<Webhook>> {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
