//! Decodes a TOML value into a type and finds every problem on the way, not only the first.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use toml::{Table, Value};

use super::problems::Problems;

/// Decodes `value`, whose own path is `base`.
///
/// Serde stops at the first problem. So the problem is noted, its place mended, and all decoded again, until
/// that succeeds or nothing can be mended. What stands in a mended place means nothing: [`Problems`] takes no
/// further problem there, and the decoded value is of use only for finding problems elsewhere.
pub(crate) fn decode<T: DeserializeOwned>(
    mut value: Value,
    base: &str,
    problems: &mut Problems,
) -> Option<T> {
    let mut outcome = attempt::<T>(&value);
    for _ in 0..MOST_PROBLEMS {
        let failure = match outcome {
            Ok(decoded) => return Some(decoded),
            Err(failure) => failure,
        };
        problems.add(join(base, &failure.steps), failure.reason.as_str());
        let mended = mend::<T>(&value, &failure.steps)?;
        problems.distrust(join(base, &mended.place));
        (value, outcome) = (mended.value, mended.outcome);
    }
    None
}

/// The first thing that is wrong, and where.
struct Failure {
    steps: Vec<Step>,
    reason: String,
}

/// A value in which the failure at `place` is gone.
struct Mended<T> {
    place: Vec<Step>,
    value: Value,
    outcome: Result<T, Failure>,
}

/// One step down into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

fn attempt<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize::<_, T>(value.clone()).map_err(|error| {
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

/// Takes out what is wrong, or puts something harmless there. Where nothing fits, the place above is tried.
/// What an empty table lacks is mended in turn, unreported because its place is distrusted.
fn mend<T: DeserializeOwned>(value: &Value, steps: &[Step]) -> Option<Mended<T>> {
    let places = (1..=steps.len()).rev().filter_map(|depth| steps.get(..depth));
    for place in places {
        for substitute in substitutes() {
            let mut mended = value.clone();
            if !put(&mut mended, place, substitute) {
                continue;
            }
            let outcome = attempt::<T>(&mended);
            if outcome.as_ref().err().is_none_or(|failure| failure.steps != place) {
                return Some(Mended { place: place.to_owned(), value: mended, outcome });
            }
        }
    }
    None
}

/// Nothing, so that the default holds; for required keys and list entries, one value of each type.
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

/// Sets or removes what is at a place; `false` when that is not possible. Lists keep their length, so that
/// the places of the others stay as they are in the file.
fn put(value: &mut Value, place: &[Step], substitute: Option<Value>) -> bool {
    let Some((last, way)) = place.split_last() else { return false };
    let parent = way.iter().try_fold(value, |value, step| match step {
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

/// `unknown field `x`, expected one of …` repeats the key that the path already names.
fn shorten(message: &str) -> String {
    match named(message, "unknown field `") {
        Some(key) => message.replacen(&format!("unknown field `{key}`"), "unknown key", 1),
        None => message.to_owned(),
    }
}

/// A bound on the work that a hopeless file can make.
const MOST_PROBLEMS: usize = 200;
