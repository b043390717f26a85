//! The recorded outcomes: `tests/differential/recorded.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::contender::Contender;
use crate::outcome::Outcome;
use crate::run::Made;

/// The outcomes of all exchanges, by their names and the proxy.
#[derive(Clone, Debug, Default)]
pub struct Record {
    outcomes: BTreeMap<(String, &'static str), Outcome>,
}

// === impl Record ===

impl Record {
    /// Reads the file; one that is not there holds nothing.
    ///
    /// # Panics
    ///
    /// When it is no such file.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(path()).unwrap_or_else(|_| "{}".to_owned());
        let file: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let mut record = Self::default();
        for (name, outcomes) in &file {
            for contender in Contender::ALL {
                let Some(outcome) = outcomes.get(contender.title()) else { continue };
                let outcome =
                    Outcome { upstream: text(outcome, "upstream"), caller: text(outcome, "caller") };
                record.outcomes.insert((name.clone(), contender.title()), outcome);
            }
        }
        record
    }

    /// What is recorded of an exchange through a proxy.
    pub fn outcome(&self, name: &str, contender: Contender) -> Option<&Outcome> {
        self.outcomes.get(&(name.to_owned(), contender.title()))
    }

    /// The exchanges of a proxy whose outcomes differ from the recorded ones, with both, as text.
    pub fn differences(&self, contender: Contender, made: &[Made]) -> Vec<String> {
        let differ = made.iter().filter(|made| self.outcome(&made.name, contender) != Some(&made.outcome));
        differ
            .map(|made| {
                let recorded = self.outcome(&made.name, contender).cloned().unwrap_or_default();
                let show = |side: &str, old: &str, new: &str| {
                    if old == new { String::new() } else { format!("  {side}\n  - {old}\n  + {new}\n") }
                };
                let title = contender.title();
                let upstream = show("upstream received", &recorded.upstream, &made.outcome.upstream);
                let caller = show("caller received", &recorded.caller, &made.outcome.caller);
                format!("{title}: {}\n{upstream}{caller}", made.name)
            })
            .collect()
    }

    /// Replaces the outcomes of a proxy.
    pub fn replace(&mut self, contender: Contender, made: &[Made]) {
        self.outcomes.retain(|(_, title), _| *title != contender.title());
        for made in made {
            self.outcomes.insert((made.name.clone(), contender.title()), made.outcome.clone());
        }
    }

    /// Writes the file.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self) {
        let mut file: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for ((name, title), outcome) in &self.outcomes {
            let outcome = json!({ "upstream": outcome.upstream, "caller": outcome.caller });
            file.entry(name).or_default().insert((*title).to_owned(), outcome);
        }
        let text = serde_json::to_string_pretty(&file).unwrap();
        std::fs::write(path(), format!("{text}\n")).unwrap();
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("recorded.json")
}
