//! Exports stored events with their decrypted bodies and portal answers, for the command line.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kyc_events::{EventStore, Filter, Keyring, OnProgress, Record, Sealed};
use serde::Serialize;
use serde_json::{Value, json};

use super::shown::{attempt, event};
use crate::api::event_messages::{AttemptEntry, EventEntry};

/// An event with its decrypted body and attempts.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    event: EventEntry,
    body: Value,
    tries: Vec<ExportedAttempt>,
}

/// An attempt with the decrypted body of the portal's answer.
#[derive(Serialize)]
struct ExportedAttempt {
    #[serde(flatten)]
    entry: AttemptEntry,
    answer: Value,
}

/// Writes each event that the filter selects as one line of JSON, with its body and the portals' answers.
///
/// # Errors
///
/// The store cannot be opened or read, or `out` cannot be written. If some bodies cannot be decrypted, all lines are written
/// first, with `null` for these.
pub async fn export(
    store: &EventStore,
    filter: &Filter,
    out: &mut (dyn Write + Send),
    progress: OnProgress<'_>,
) -> Result<(), String> {
    let (keyring, mut reader) = store.open_existing().await.map_err(|error| error.to_string())?;
    let all = match progress {
        Some(_) => reader.count(filter).await.map_err(|error| error.to_string())?,
        None => 0,
    };
    let all = usize::try_from(all).unwrap_or_default();
    let (mut after, mut done, mut closed) = (0, 0, 0);
    loop {
        let records = reader.records(filter, after, PAGE).await.map_err(|error| error.to_string())?;
        let Some(last) = records.last() else { break };
        after = last.id;
        for record in &records {
            let (line, own) = line(&keyring, record);
            closed += own;
            let line = serde_json::to_string(&line).map_err(|error| error.to_string())?;
            writeln!(out, "{line}").map_err(|error| error.to_string())?;
        }
        done += records.len();
        if let Some(report) = progress {
            report(done, all);
        }
    }
    match closed {
        0 => Ok(()),
        _ => Err(format!(
            "{closed} bodies and answers are encrypted with keys that are not configured; they are null in the output"
        )),
    }
}

/// Decrypts an event; also returns how many of its bodies could not be decrypted.
fn line(keyring: &Keyring, record: &Record) -> (Line, usize) {
    let listed = &record.listed;
    let mut closed = 0;
    let mut opened = |bytes: Option<Vec<u8>>| match bytes.map(String::from_utf8) {
        Some(Ok(text)) => Value::from(text),
        // A notification is JSON and so UTF-8. The answer of a portal need not be.
        Some(Err(other)) => json!({ "base64": BASE64_STANDARD.encode(other.into_bytes()) }),
        None => {
            closed += 1;
            Value::Null
        }
    };
    let answer = |sealed: &Sealed| keyring.open_answer(listed.uid, &record.owner, sealed).ok();
    let tries = record
        .attempts
        .iter()
        .map(|one| {
            let body = one.answer.as_ref().map(|sealed| opened(answer(sealed)));
            ExportedAttempt { entry: attempt(one), answer: body.unwrap_or_default() }
        })
        .collect();
    let body = opened(keyring.open(listed.uid, &record.owner, &record.body).ok());
    (Line { event: event(listed), body, tries }, closed)
}

/// How many events are read at a time.
const PAGE: usize = 500;
