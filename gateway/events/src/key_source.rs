//! Where the key comes from that bodies are encrypted with: the configuration, or a file generated at the first start.
//!
//! A generated key lies in the same folder as the store. That protects copies and backups of the store without the key, not
//! the folder itself; a configured key can be kept elsewhere.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use kyc_model::{Secret, SecretSource, TenantTable};

use crate::lock::find_leftover;
use crate::paths::{DRAFT, KEY, make_folder, path_with_suffix};
use crate::{Keyring, OpenError};

/// The configured locations of the current key and of previous keys.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// The key that new events are encrypted with; `None` for a generated one.
    pub current: Option<KeyLocation>,
    /// Any number of keys that still decrypt, separated by white space.
    pub previous: Option<KeyLocation>,
}

/// The location of a configured key.
#[derive(Clone, Debug)]
pub enum KeyLocation {
    /// A file or an environment variable.
    Source(SecretSource),
    /// The entry of this name in the tenant document, which may be in Vault.
    Document(String),
}

// === impl KeySource ===

impl KeySource {
    /// Returns whether a key is in the tenant document.
    pub fn is_in_document(&self) -> bool {
        [&self.current, &self.previous]
            .into_iter()
            .any(|place| matches!(place, Some(KeyLocation::Document(_))))
    }

    /// Returns whether a new store may be created at this path: there is neither a store nor a file that one has left.
    pub fn may_create(&self, store: &Path) -> bool {
        !store.exists()
            && find_leftover(store).is_none()
            && (self.current.is_some() || !path_with_suffix(store, KEY).exists())
    }

    /// Reads the keys. Without a configured key it reads `STORE.key`, and generates that file for a new store.
    ///
    /// # Errors
    ///
    /// [`OpenError::Key`] when a key cannot be read or is not 64 hexadecimal digits; [`OpenError::KeyMissing`],
    /// [`OpenError::StoreMissing`] and [`OpenError::StoreGone`] when only one of store and key file exists;
    /// [`OpenError::Folder`] when the key file cannot be written.
    pub fn keyring(&self, store: Option<&Path>, tenants: Option<&TenantTable>) -> Result<Keyring, OpenError> {
        let current = match (&self.current, store) {
            (Some(place), _) => place.read(tenants)?,
            (None, Some(store)) => generated_key(store)?,
            (None, None) => {
                let reason = "set events.key_file, events.key_env or events.key_document";
                return Err(OpenError::Key(reason.to_owned()));
            }
        };
        let previous = self.previous.as_ref().map(|place| place.read(tenants)).transpose()?;
        let previous = previous.iter().flat_map(|keys| keys.reveal().split_whitespace());
        let previous: Vec<Secret> = previous.map(|key| Secret::new(key.to_owned())).collect();
        Keyring::new(&current, &previous).map_err(OpenError::Key)
    }
}

// === impl KeyLocation ===

impl KeyLocation {
    fn read(&self, tenants: Option<&TenantTable>) -> Result<Secret, OpenError> {
        match self {
            Self::Source(source) => source.read().map_err(|error| OpenError::Key(error.to_string())),
            Self::Document(name) => {
                tenants.and_then(|tenants| tenants.value(name)).cloned().ok_or_else(|| {
                    OpenError::Key(format!("the tenant document has no {name} (events.key_document)"))
                })
            }
        }
    }
}

/// Reads the generated key, and generates one when neither store nor key exists.
fn generated_key(store: &Path) -> Result<Secret, OpenError> {
    let file = path_with_suffix(store, KEY);
    let read = || SecretSource::File(file.clone()).read().map_err(|error| OpenError::Key(error.to_string()));
    match (store.exists(), file.exists()) {
        (true, true) => read(),
        // An earlier start was killed between creating the key and creating the store: its draft remains.
        (false, true) if path_with_suffix(store, DRAFT).exists() => read(),
        (true, false) => Err(OpenError::KeyMissing { path: store.to_owned(), key: file }),
        (false, true) => match find_leftover(store) {
            // `StoreMissing` advises to remove the key, but after `events copy` the key may be that of the database.
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

/// Writes the key to a temporary file, syncs it and renames it, so that a crash leaves no incomplete key.
fn write(file: &Path, key: &Secret) -> std::io::Result<()> {
    make_folder(file)?;
    let draft = file.with_extension("key.new");
    // Mode 0600 from the start: a later chmod would leave a moment in which others can read the key.
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
    fn store_without_key_and_key_without_store_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("new/events.db");

        let created = GENERATED.keyring(Some(&store), None).map(|_| ());
        let store_is_missing = GENERATED.keyring(Some(&store), None).unwrap_err();
        std::fs::write(&store, "").unwrap();
        let both = GENERATED.keyring(Some(&store), None).map(|_| ());
        std::fs::remove_file(folder.path().join("new/events.db.key")).unwrap();
        let key_is_missing = GENERATED.keyring(Some(&store), None).unwrap_err();

        assert!(created.is_ok() && both.is_ok());
        assert!(matches!(store_is_missing, OpenError::StoreMissing { .. }));
        assert!(matches!(key_is_missing, OpenError::KeyMissing { .. }));
    }
}
