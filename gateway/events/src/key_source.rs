//! The key that bodies are sealed with: configured, or made at the first start and kept beside the store.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use kyc_model::{Secret, SecretSource, TenantTable};

use crate::lock::trace_of;
use crate::paths::{DRAFT, KEY, beside, make_folder};
use crate::{Keyring, OpenError};

/// Where the current key and those before it come from.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// The key that new events are sealed with.
    pub current: Option<KeyPlace>,
    /// Any number of keys, between them white space.
    pub previous: Option<KeyPlace>,
}

/// Where a configured key is.
#[derive(Clone, Debug)]
pub enum KeyPlace {
    /// A file or an environment variable.
    Source(SecretSource),
    /// The value of this name in the tenant document, which may be in Vault.
    Document(String),
}

// === impl KeySource ===

impl KeySource {
    /// Says whether a key comes with the tenants.
    pub fn is_in_document(&self) -> bool {
        [&self.current, &self.previous].into_iter().any(|place| matches!(place, Some(KeyPlace::Document(_))))
    }

    /// Says whether nothing stands in the way of a new store at this place.
    pub fn may_begin(&self, store: &Path) -> bool {
        !store.exists()
            && trace_of(store).is_none()
            && (self.current.is_some() || !beside(store, KEY).exists())
    }

    /// Reads the keys. Without a configured key, the one in `STORE.key` is taken, which is made together with a
    /// new store.
    ///
    /// # Errors
    ///
    /// [`OpenError::Key`] when a configured key is not there or none; [`OpenError::KeyMissing`] and
    /// [`OpenError::StoreMissing`] when only one of store and key file is there.
    pub fn keyring(&self, store: Option<&Path>, tenants: Option<&TenantTable>) -> Result<Keyring, OpenError> {
        let current = match (&self.current, store) {
            (Some(place), _) => place.read(tenants)?,
            (None, Some(store)) => made_together(store)?,
            (None, None) => return Err(OpenError::Key("none is configured".to_owned())),
        };
        let previous = self.previous.as_ref().map(|place| place.read(tenants)).transpose()?;
        let previous = previous.iter().flat_map(|keys| keys.reveal().split_whitespace());
        let previous: Vec<Secret> = previous.map(|key| Secret::new(key.to_owned())).collect();
        Keyring::new(&current, &previous).map_err(OpenError::Key)
    }
}

// === impl KeyPlace ===

impl KeyPlace {
    fn read(&self, tenants: Option<&TenantTable>) -> Result<Secret, OpenError> {
        match self {
            Self::Source(source) => source.read().map_err(|error| OpenError::Key(error.to_string())),
            Self::Document(name) => tenants
                .and_then(|tenants| tenants.value(name))
                .cloned()
                .ok_or_else(|| OpenError::Key(format!("the tenant document has no {name}"))),
        }
    }
}

fn made_together(store: &Path) -> Result<Secret, OpenError> {
    let file = beside(store, KEY);
    let read = || SecretSource::File(file.clone()).read().map_err(|error| OpenError::Key(error.to_string()));
    match (store.exists(), file.exists()) {
        (true, true) => read(),
        // A process has died between the key and the store.
        (false, true) if beside(store, DRAFT).exists() => read(),
        (true, false) => Err(OpenError::KeyMissing { path: store.to_owned(), key: file }),
        (false, true) => match trace_of(store) {
            // The key may be a database's by now, so nobody is told to remove it.
            Some(trace) => Err(OpenError::StoreGone { path: store.to_owned(), trace }),
            None => Err(OpenError::StoreMissing { path: store.to_owned(), key: file }),
        },
        (false, false) => {
            let key = Keyring::generate();
            write(&file, &key)
                .map_err(|error| OpenError::Folder { path: file, reason: error.to_string() })
                .map(|()| key)
        }
    }
}

/// Writes the key so that it is there as a whole or not at all.
fn write(file: &Path, key: &Secret) -> std::io::Result<()> {
    make_folder(file)?;
    let draft = file.with_extension("key.new");
    let mut open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    open.write_all(key.reveal().as_bytes())?;
    open.sync_all()?;
    std::fs::rename(draft, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: KeySource = KeySource { current: None, previous: None };

    #[test]
    fn store_and_key_come_and_go_together() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("new/events.db");

        let made = GENERATED.keyring(Some(&store), None).map(|_| ());
        let store_is_gone = GENERATED.keyring(Some(&store), None).unwrap_err();
        std::fs::write(&store, "").unwrap();
        let both = GENERATED.keyring(Some(&store), None).map(|_| ());
        std::fs::remove_file(folder.path().join("new/events.db.key")).unwrap();
        let key_is_gone = GENERATED.keyring(Some(&store), None).unwrap_err();

        assert!(made.is_ok() && both.is_ok());
        assert!(matches!(store_is_gone, OpenError::StoreMissing { .. }));
        assert!(matches!(key_is_gone, OpenError::KeyMissing { .. }));
    }
}
