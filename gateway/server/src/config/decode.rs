//! Decodes a TOML value into a type and finds every problem on the way, not only the first.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use toml::Value;

use super::Problems;

/// Decodes `value`, whose own path is `base`.
///
/// Serde stops at the first problem. So the problem is noted, the key taken out, and the rest decoded again,
/// until it succeeds or nothing can be taken out.
pub(crate) fn decode<T: DeserializeOwned>(
    mut value: Value,
    base: &str,
    problems: &mut Problems,
) -> Option<T> {
    let mut removed = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(decoded) => return Some(decoded),
            Err(error) => error,
        };
        let message = error.inner().message().trim().replace('\n', ", ");
        let mut steps = steps(error.path());
        if let Some(key) = named(&message, "unknown field `").or_else(|| named(&message, "missing field `")) {
            let key = Step::Key(key.to_owned());
            if steps.last() != Some(&key) {
                steps.push(key);
            }
        }
        // A required key that was taken out before is not missing as well.
        if message.starts_with("missing field") && removed.contains(&steps) {
            return None;
        }
        let reason =
            if message.starts_with("missing field") { "is required".to_owned() } else { shorten(&message) };
        problems.add(join(base, &steps), reason);
        if !remove(&mut value, &steps) {
            return None;
        }
        removed.push(steps);
    }
}

/// One step down into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
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

fn remove(value: &mut Value, steps: &[Step]) -> bool {
    let Some((last, way)) = steps.split_last() else { return false };
    let parent = way.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Index(index) => value.get_mut(*index),
    });
    match (parent, last) {
        (Some(Value::Table(table)), Step::Key(key)) => table.remove(key).is_some(),
        // The places of the others in the list must stay as they are in the file.
        (Some(_), Step::Index(_) | Step::Key(_)) | (None, _) => false,
    }
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
