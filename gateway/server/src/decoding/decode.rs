//! Decodes a TOML value into a type and finds every problem in it, not only the first one.
//!
//! Serde stops at the first problem. The decoder therefore reports it, replaces the wrong value by a valid one and decodes again,
//! until decoding succeeds. The types stay plain serde types; the alternative, a hand-written decoder for each, would drift from
//! them.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use toml::{Table, Value};

use super::problems::Problems;

/// Decodes `value`, which is at the path `base`, and adds every problem to `problems`. Returns `None` if no replacement makes the
/// value decodable.
///
/// After a problem, the decoded value contains replacements that mean nothing: [`Problems`] accepts no further problems at their
/// paths, and the value may be used only to find problems elsewhere.
pub(crate) fn decode<T: DeserializeOwned>(
    mut value: Value,
    base: &str,
    problems: &mut Problems,
) -> Option<T> {
    let mut outcome = attempt::<T>(&value);
    for _ in 0..MAX_PROBLEMS {
        let failure = match outcome {
            Ok(decoded) => return Some(decoded),
            Err(failure) => failure,
        };
        problems.add(join(base, &failure.steps), failure.reason.as_str());
        let repaired = repair::<T>(&value, &failure.steps)?;
        problems.distrust(join(base, &repaired.place));
        (value, outcome) = (repaired.value, repaired.outcome);
    }
    None
}

/// The first problem of a value, and its path.
struct Failure {
    steps: Vec<Step>,
    reason: String,
}

/// A value without the failure at `place`, and the result of decoding it.
struct Repaired<T> {
    place: Vec<Step>,
    value: Value,
    outcome: Result<T, Failure>,
}

/// One step of a path into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

fn attempt<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize::<_, T>(value.clone()).map_err(|error| {
        // Serde reports the key of a missing or unknown field only in its message, and its path ends at the containing table.
        let message = error.inner().message().trim().replace('\n', ", ");
        let mut steps = steps(error.path());
        let missing = named(&message, "missing field `");
        if let Some(key) = named(&message, "unknown field `").or(missing) {
            let key = Step::Key(key.to_owned());
            if steps.last() != Some(&key) {
                steps.push(key);
            }
        }
        let reason = if missing.is_some() { "is required".to_owned() } else { shorten(&message) };
        Failure { steps, reason }
    })
}

/// Removes the wrong value or replaces it by a valid one. If no replacement fits, tries the value that contains it. The keys that an
/// empty table lacks are replaced later in the same way, and not reported, because the path of the table is distrusted.
fn repair<T: DeserializeOwned>(value: &Value, steps: &[Step]) -> Option<Repaired<T>> {
    let places = (1..=steps.len()).rev().filter_map(|depth| steps.get(..depth));
    for place in places {
        for substitute in substitutes() {
            let mut changed = value.clone();
            if !put(&mut changed, place, substitute) {
                continue;
            }
            let outcome = attempt::<T>(&changed);
            if outcome.as_ref().err().is_none_or(|failure| failure.steps != place) {
                return Some(Repaired { place: place.to_owned(), value: changed, outcome });
            }
        }
    }
    None
}

/// The replacements to try: no value, so that the default applies, then one value of each type for required keys and list entries.
fn substitutes() -> [Option<Value>; 6] {
    [
        None,
        Some(Value::String(String::new())),
        Some(Value::Integer(1)),
        Some(Value::Boolean(false)),
        Some(Value::Array(Vec::new())),
        Some(Value::Table(Table::new())),
    ]
}

/// Sets or removes the value at a place. Returns `false` if that is not possible. Entries of lists are never removed, because
/// that would change the indices of the entries after them.
fn put(value: &mut Value, place: &[Step], substitute: Option<Value>) -> bool {
    let Some((last, parents)) = place.split_last() else { return false };
    let parent = parents.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Index(index) => value.get_mut(*index),
    });
    match (parent, last, substitute) {
        (Some(Value::Table(table)), Step::Key(key), None) => table.remove(key).is_some(),
        (Some(Value::Table(table)), Step::Key(key), Some(substitute)) => {
            table.insert(key.clone(), substitute);
            true
        }
        (Some(Value::Array(list)), Step::Index(index), Some(substitute)) => {
            list.get_mut(*index).map(|entry| *entry = substitute).is_some()
        }
        (_, Step::Key(_) | Step::Index(_), _) => false,
    }
}

fn steps(path: &Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn join(base: &str, steps: &[Step]) -> String {
    steps.iter().fold(base.to_owned(), |path, step| match step {
        Step::Index(index) => format!("{path}[{index}]"),
        Step::Key(key) if path.is_empty() => key.clone(),
        Step::Key(key) => format!("{path}.{key}"),
    })
}

fn named<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.split('`').next()
}

/// Removes the key from `unknown field `x`, expected one of …`, because the path already contains it.
fn shorten(message: &str) -> String {
    match named(message, "unknown field `") {
        Some(key) => message.replacen(&format!("unknown field `{key}`"), "unknown key", 1),
        None => message.to_owned(),
    }
}

/// The largest number of problems in one value. It limits the work for a file in which everything is wrong.
const MAX_PROBLEMS: usize = 200;
