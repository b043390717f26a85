//! The key that bodies are sealed with: configured, or made at the first start and kept beside the store.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use kyc_model::{Secret, SecretSource};

use super::{Keyring, OpenError};

/// Where the current key and the one before it come from.
#[derive(Clone, Debug)]
pub(crate) struct KeySource {
    pub(crate) current: Option<SecretSource>,
    pub(crate) previous: Option<SecretSource>,
}

// === impl KeySource ===

impl KeySource {
    /// Reads the keys. Without a configured key, the one in `STORE.key` is taken, which is made together with a
    /// new store.
    ///
    /// # Errors
    ///
    /// [`OpenError::Key`] when a configured key is not there or none; [`OpenError::KeyMissing`] and
    /// [`OpenError::StoreMissing`] when only one of store and key file is there.
    pub(crate) fn keyring(&self, store: Option<&Path>) -> Result<Keyring, OpenError> {
        let read = |source: &SecretSource| source.read().map_err(|error| OpenError::Key(error.to_string()));
        let current = match (&self.current, store) {
            (Some(source), _) => read(source)?,
            (None, Some(store)) => beside(store)?,
            (None, None) => return Err(OpenError::Key("none is configured".to_owned())),
        };
        let previous = self.previous.as_ref().map(read).transpose()?;
        Keyring::new(&current, previous.as_ref()).map_err(OpenError::Key)
    }
}

fn beside(store: &Path) -> Result<Secret, OpenError> {
    let mut name = store.as_os_str().to_owned();
    name.push(".key");
    let file = PathBuf::from(name);
    match (store.exists(), file.exists()) {
        (true, true) => SecretSource::File(file).read().map_err(|error| OpenError::Key(error.to_string())),
        (true, false) => Err(OpenError::KeyMissing { path: store.to_owned(), key: file }),
        (false, true) => Err(OpenError::StoreMissing { path: store.to_owned(), key: file }),
        (false, false) => {
            let key = Keyring::generate();
            write(&file, &key)
                .map_err(|error| OpenError::Folder { path: file, reason: error.to_string() })
                .map(|()| key)
        }
    }
}

fn write(file: &Path, key: &Secret) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(key.reveal().as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: KeySource = KeySource { current: None, previous: None };

    #[test]
    fn store_and_key_come_and_go_together() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("new/events.db");

        let made = GENERATED.keyring(Some(&store)).map(|_| ());
        let store_is_gone = GENERATED.keyring(Some(&store)).unwrap_err();
        std::fs::write(&store, "").unwrap();
        let both = GENERATED.keyring(Some(&store)).map(|_| ());
        std::fs::remove_file(folder.path().join("new/events.db.key")).unwrap();
        let key_is_gone = GENERATED.keyring(Some(&store)).unwrap_err();

        assert!(made.is_ok() && both.is_ok());
        assert!(matches!(store_is_gone, OpenError::StoreMissing { .. }));
        assert!(matches!(key_is_gone, OpenError::KeyMissing { .. }));
    }
}
