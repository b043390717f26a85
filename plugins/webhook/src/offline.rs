//! The store without a gateway: what an admin listener must not show, and moving from one store to another.

use std::fs::TryLockError;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::operate::{event, filter, parameters, time};
use crate::store::{Attempt, Filter, Keyring, Reader, Record, Sqlite, try_lock};
use crate::stored::{Engine, Opened, Stored};

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
            "copy" => {
                let from = parameters.remove("from").ok_or("say which file to copy from")?;
                self.copy(Path::new(&from), out).await
            }
            _ => Err(format!("`{command}` is nothing that can be done with stored events")),
        }
    }

    /// Writes each event that fits as one line of JSON, with its body and what the portal said.
    async fn export(&self, filter: &Filter, out: &mut (dyn Write + Send)) -> Result<(), String> {
        let (keyring, mut reader) = self.open_existing().await?;
        let mut after = 0;
        loop {
            let records = reader.records(filter, after, PAGE).await.map_err(|error| error.to_string())?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.id;
            for record in &records {
                writeln!(out, "{}", line(&keyring, record)).map_err(|error| error.to_string())?;
            }
        }
    }

    /// Moves all events of a SQLite file into the configured database, and then puts the file aside.
    async fn copy(&self, from: &Path, out: &mut (dyn Write + Send)) -> Result<(), String> {
        let Engine::Postgres { .. } = &self.engine else {
            return Err("the configuration names no PostgreSQL database to copy into".to_owned());
        };
        if !from.exists() {
            return Err(format!("there is no store at {}", from.display()));
        }
        let _only = try_lock(from).map_err(|error| match error {
            TryLockError::WouldBlock => format!("a gateway delivers from {}; stop it first", from.display()),
            TryLockError::Error(error) => format!("{} cannot be locked: {error}", from.display()),
        })?;
        let (keyring, _) = self.open_existing().await?;
        let Some(Opened::Postgres(database)) = self.engine.opened() else {
            return Err("the database is not open".to_owned());
        };
        let source = Sqlite::new(from, u64::MAX / 2);
        source.prepare().await.map_err(|error| error.to_string())?;
        source.check_keys(&keyring).await.map_err(|error| error.to_string())?;
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
        // The last connection takes the write-ahead log into the file.
        drop(reader);
        let aside =
            put_aside(from).map_err(|error| format!("{} cannot be renamed: {error}", from.display()))?;
        writeln!(out, "{copied} events copied, {known} were there; the file is {} now", aside.display())
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

fn line(keyring: &Keyring, record: &Record) -> Value {
    let listed = &record.listed;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let answer = |attempt: &Attempt| {
        let sealed = attempt.answer.as_ref()?;
        keyring.open_answer(listed.uid, &listed.tenant, sealed).ok().map(text)
    };
    let tries: Vec<Value> = record
        .tries
        .iter()
        .map(|attempt| {
            json!({
                "at": time(attempt.at),
                "took_ms": attempt.took_ms,
                "status": attempt.status,
                "error": attempt.error,
                "answer": answer(attempt),
            })
        })
        .collect();
    let mut value = event(listed);
    if let Some(members) = value.as_object_mut() {
        let body = keyring.open(listed.uid, &listed.tenant, &record.body).ok().map(text);
        members.insert("body".to_owned(), body.into());
        members.insert("tries".to_owned(), tries.into());
    }
    value
}

/// Renames a store and what belongs to it, so that nothing delivers from it again.
fn put_aside(store: &Path) -> std::io::Result<PathBuf> {
    let with = |path: &Path, end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let aside = with(store, ".copied");
    for end in ["-wal", "-shm"] {
        if with(store, end).exists() {
            std::fs::rename(with(store, end), with(&aside, end))?;
        }
    }
    std::fs::rename(store, &aside)?;
    Ok(aside)
}

/// Events that are read at a time.
const PAGE: usize = 500;
