//! The store without a gateway: what an admin listener must not show, and moving from one store to another.

mod backup;

use std::fs::TryLockError;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::operate::{attempt, event, filter, parameters};
use crate::store::{
    Filter, Keyring, MOVED, Postgres, PostgresRecords, Reader, Record, Sealed, Sqlite, SqliteRecords,
    StoreError, alone, beside, copy_chain, sync_name,
};
use crate::stored::{Engine, Opened, Stored};

/// How much of a store is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// The audit records alone, so that the record of the copy itself follows on them.
    AuditRecords,
    All,
}

impl Stored {
    /// Does `command` with its parameters, written as a query.
    ///
    /// # Errors
    ///
    /// What the operator must know.
    pub(crate) async fn without_gateway(
        &self,
        command: &str,
        query: &str,
        out: &mut (dyn Write + Send),
    ) -> Result<(), String> {
        let mut parameters = parameters(query);
        match command {
            "export" => {
                let filter = filter(&mut parameters).map_err(|(_, reason)| reason)?;
                self.export(&filter, out).await
            }
            "copy" | "copy-audit" => {
                let from = parameters.remove("from").ok_or("say which file to copy from")?;
                let extent = if command == "copy" { Extent::All } else { Extent::AuditRecords };
                self.copy(Path::new(&from), extent, out).await
            }
            "backup" => {
                let to = parameters.remove("to").ok_or("say into which file")?;
                self.backup(Path::new(&to), out).await
            }
            "verify" => {
                let file = parameters.remove("file").ok_or("say which file")?;
                self.verify(Path::new(&file), out).await
            }
            _ => Err(format!("`{command}` is nothing that can be done with stored events")),
        }
    }

    /// Writes each event that fits as one line of JSON, with its body and what the portal said.
    async fn export(&self, filter: &Filter, out: &mut (dyn Write + Send)) -> Result<(), String> {
        let (keyring, mut reader) = self.open_existing().await?;
        let (mut after, mut closed) = (0, 0);
        loop {
            let records = reader.records(filter, after, PAGE).await.map_err(|error| error.to_string())?;
            let Some(last) = records.last() else { break };
            after = last.id;
            for record in &records {
                let (line, own) = line(&keyring, record);
                closed += own;
                writeln!(out, "{line}").map_err(|error| error.to_string())?;
            }
        }
        match closed {
            0 => Ok(()),
            _ => Err(format!(
                "{closed} bodies and answers are under keys that are not configured, and null here"
            )),
        }
    }

    /// Moves all events of a SQLite file into the configured database, and then puts the file aside.
    async fn copy(&self, from: &Path, extent: Extent, out: &mut (dyn Write + Send)) -> Result<(), String> {
        let Engine::Postgres { .. } = &self.engine else {
            return Err("the configuration names no PostgreSQL database to copy into".to_owned());
        };
        if !from.exists() {
            return Err(format!("there is no store at {}", from.display()));
        }
        let _alone = alone(from).map_err(|error| match error {
            TryLockError::WouldBlock => format!("a process uses {}; stop it first", from.display()),
            TryLockError::Error(error) => format!("{} cannot be locked: {error}", from.display()),
        })?;
        let (keyring, _) = self.open_existing().await?;
        let Some(Opened::Postgres(database)) = self.engine.opened() else {
            return Err("the database is not open".to_owned());
        };
        let source = Sqlite::new(from, u64::MAX / 2);
        source.prepare().await.map_err(|error| error.to_string())?;
        source.inspect().await.map_err(|error| error.to_string())?;
        source.check_keys(&keyring).await.map_err(|error| error.to_string())?;
        let (mut chain, mut other) = (SqliteRecords::new(&source), PostgresRecords::new(database));
        let is_whole = copy_chain(&mut chain, &mut other).await.map_err(|error| error.to_string())?;
        drop(chain);
        if extent == Extent::AuditRecords {
            return source.close().await.map_err(|error| error.to_string());
        }
        let mut reader = source.reader();
        let (mut after, mut copied, mut known) = (0, 0, 0);
        loop {
            let records =
                reader.records(&Filter::default(), after, PAGE).await.map_err(|error| error.to_string())?;
            let Some(last) = records.last() else { break };
            after = last.id;
            let new = database.adopt(&records).await.map_err(|error| error.to_string())?;
            copied += new;
            known += records.len() - new;
        }
        copy_seen(&mut reader, database).await.map_err(|error| error.to_string())?;
        drop(reader);
        source.close().await.map_err(|error| error.to_string())?;
        database.release_adopted().await.map_err(|error| error.to_string())?;
        let aside =
            put_aside(from).map_err(|error| format!("{} cannot be renamed: {error}", from.display()))?;
        let audit =
            if is_whole { "" } else { "; its audit records stay there, since the database has its own" };
        let aside = aside.display();
        writeln!(out, "{copied} events copied, {known} were there; the file is {aside} now{audit}")
            .map_err(|error| error.to_string())
    }

    /// Opens a store that is there; this is not the time to begin one.
    async fn open_existing(&self) -> Result<(Arc<Keyring>, Box<dyn Reader>), String> {
        if let Engine::Sqlite(store) = &self.engine
            && !store.path().exists()
        {
            return Err(format!("there is no store at {}", store.path().display()));
        }
        if self.keys.is_in_document() {
            return Err(
                "the store's key is in the tenant document; give it as key_file or key_env".to_owned()
            );
        }
        self.open().await.map_err(|error| error.to_string())?;
        match (self.engine.opened(), self.keyring.get()) {
            (Some(store), Some(keyring)) => Ok((Arc::clone(keyring), store.reader())),
            _ => Err("the store is not open".to_owned()),
        }
    }
}

/// Copies the keys of forgotten notifications, so that those stay known.
async fn copy_seen(reader: &mut impl Reader, database: &Postgres) -> Result<(), StoreError> {
    let mut after = Vec::new();
    loop {
        let keys = reader.seen(&after, KEYS).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = last.dedup.clone();
        database.adopt_seen(&keys).await?;
    }
}

/// An event with what is sealed of it, and how much of that could not be opened.
fn line(keyring: &Keyring, record: &Record) -> (Value, usize) {
    let listed = &record.listed;
    let mut closed = 0;
    let mut opened = |bytes: Option<Vec<u8>>| match bytes.map(String::from_utf8) {
        Some(Ok(text)) => Value::from(text),
        // No notification is like this, but a body that is none may be.
        Some(Err(other)) => json!({ "base64": BASE64_STANDARD.encode(other.into_bytes()) }),
        None => {
            closed += 1;
            Value::Null
        }
    };
    let answer = |sealed: &Sealed| keyring.open_answer(listed.uid, &record.owner, sealed).ok();
    let tries: Vec<Value> = record
        .tries
        .iter()
        .map(|one| {
            let mut shown = attempt(one);
            let said = one.answer.as_ref().map(|sealed| opened(answer(sealed)));
            if let Some(members) = shown.as_object_mut() {
                members.insert("answer".to_owned(), said.unwrap_or_default());
            }
            shown
        })
        .collect();
    let body = opened(keyring.open(listed.uid, &record.owner, &record.body).ok());
    let mut value = event(listed);
    if let Some(members) = value.as_object_mut() {
        members.insert("body".to_owned(), body);
        members.insert("tries".to_owned(), tries.into());
    }
    (value, closed)
}

/// Renames a store, so that nothing delivers from it again.
fn put_aside(store: &Path) -> std::io::Result<PathBuf> {
    let aside = beside(store, MOVED);
    std::fs::rename(store, &aside)?;
    for end in ["-wal", "-shm"] {
        // Empty since the store was closed, and usually gone.
        let _ = std::fs::remove_file(beside(store, end));
    }
    sync_name(&aside)?;
    Ok(aside)
}

/// Events that are read at a time.
const PAGE: usize = 500;
/// Keys that are read at a time.
const KEYS: usize = 10_000;
