//! Copies of a store file that are whole, also while a gateway uses it, and the proof that they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::store::{Filter, Keyring, Reader, Sqlite, State, sync_name};
use crate::stored::{Engine, Stored};

impl Stored {
    /// Writes the whole store into a new file, as it is at one moment.
    pub(super) async fn backup(&self, to: &Path, out: &mut (dyn Write + Send)) -> Result<(), String> {
        let Engine::Sqlite(store) = &self.engine else {
            return Err("the store is a PostgreSQL database; back it up with pg_dump".to_owned());
        };
        if !store.path().exists() {
            return Err(format!("there is no store at {}", store.path().display()));
        }
        let failed = |error: std::io::Error| format!("{}: {error}", to.display());
        // The engine fills an empty file; it would make one that others can read.
        File::options().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
        store.backup(to).await.map_err(|error| error.to_string())?;
        File::open(to).and_then(|file| file.sync_all()).map_err(failed)?;
        sync_name(to).map_err(failed)?;
        writeln!(out, "{} holds all of {}; keep the key with it", to.display(), store.path().display())
            .map_err(|error| error.to_string())
    }

    /// Makes sure that a file is a whole store, and that everything in it opens with the configured keys.
    pub(super) async fn verify(&self, file: &Path, out: &mut (dyn Write + Send)) -> Result<(), String> {
        if !file.exists() {
            return Err(format!("there is no file {}", file.display()));
        }
        let keyring = self.keys_for(file)?;
        let copy = Sqlite::new(file, u64::MAX / 2);
        copy.inspect().await.map_err(|error| error.to_string())?;
        let mut reader = copy.reader();
        let (mut after, mut closed) = (0, 0);
        let mut counts = BTreeMap::new();
        loop {
            let page =
                reader.records(&Filter::default(), after, PAGE).await.map_err(|error| error.to_string())?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for record in &page {
                *counts.entry(record.listed.state.name()).or_insert(0) += 1;
                closed += i32::from(keyring.open(record.listed.uid, &record.owner, &record.body).is_err());
            }
        }
        let counts: Vec<String> = State::ALL
            .iter()
            .map(|state| format!("{} {}", counts.get(state.name()).unwrap_or(&0), state.name()))
            .collect();
        writeln!(out, "{} is whole: {}", file.display(), counts.join(", "))
            .map_err(|error| error.to_string())?;
        match closed {
            0 => Ok(()),
            _ => Err(format!("{closed} events do not open with the configured keys")),
        }
    }

    /// The configured keys, else the one that was made with the store.
    fn keys_for(&self, file: &Path) -> Result<Keyring, String> {
        if self.keys.is_in_document() {
            return Err(
                "the store's key is in the tenant document; give it as key_file or key_env".to_owned()
            );
        }
        let store = self.engine.path().filter(|store| store.exists()).unwrap_or(file);
        self.keys.keyring(Some(store), None).map_err(|error| error.to_string())
    }
}

/// Events that are read at a time.
const PAGE: usize = 500;
