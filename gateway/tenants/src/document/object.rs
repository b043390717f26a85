//! A JSON object whose field names are matched without regard to case, and never twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields in the document's order; values stay undecoded until somebody asks for one.
pub(super) struct Object<'a>(Vec<(String, &'a RawValue)>);

/// Why a field cannot be read. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FieldProblem {
    /// The field is there more than once.
    Repeated,
    /// An array or an object.
    Composite,
    /// A string with escapes that are no text.
    Garbled,
}

// === impl Object ===

impl<'a> Object<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value of the one field that is called one of `names`.
    pub(super) fn value(&self, names: &[&str]) -> Result<Option<&'a RawValue>, FieldProblem> {
        let mut found = self
            .0
            .iter()
            .filter(|(key, _)| names.iter().any(|name| name.eq_ignore_ascii_case(key)))
            .map(|(_, value)| *value);
        match (found.next(), found.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(FieldProblem::Repeated),
        }
    }

    /// The fields that hold a text, with it.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().filter_map(|(key, value)| Some((key.as_str(), text(value).ok().flatten()?)))
    }

    /// The fields that are none of `known`, with the one that each looks like, if there is one.
    pub(super) fn unknown(&self, known: &[&'static str]) -> Vec<(String, &'static str)> {
        let keys = self.0.iter().map(|(key, _)| key);
        let keys = keys.filter(|key| !known.iter().any(|name| name.eq_ignore_ascii_case(key)));
        keys.filter_map(|key| Some((key.clone(), look_alike(key, known)?))).collect()
    }

    /// The trimmed text of a field; `None` when it is absent, null or blank.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, FieldProblem> {
        self.value(&[name])?.map_or(Ok(None), text)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

// === impl FieldProblem ===

impl FieldProblem {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Repeated => "is given more than once",
            Self::Composite => "must be a text, a number or a boolean",
            Self::Garbled => "is not valid text",
        }
    }

    /// The same for a field that holds a list.
    pub(super) fn list_text(self) -> &'static str {
        match self {
            Self::Repeated => "is given more than once",
            Self::Composite => "must be a JSON array of texts",
            Self::Garbled => "is not valid text",
        }
    }
}

/// The name that a key is probably meant for: but for case, dashes, underscores and blanks, it is at most two slips of the
/// pen away, or one where the name is short.
fn look_alike(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = |text: &str| text.replace(['-', '_', ' '], "").to_ascii_lowercase();
    let key = plain(key);
    let distance = |name: &str| strsim::damerau_levenshtein(&key, &plain(name));
    let closest = known.iter().map(|name| (distance(name), *name)).min()?;
    let most = if closest.1.len() < LONG { 1 } else { 2 };
    (closest.0 <= most).then_some(closest.1)
}

/// Letters of a name in which two may be wrong.
const LONG: usize = 8;

/// The trimmed text of a value. Numbers and booleans count as they are written, so that a long number keeps
/// all its digits.
pub(super) fn text(value: &RawValue) -> Result<Option<String>, FieldProblem> {
    let raw = value.get();
    let text = match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(raw).map_err(|_| FieldProblem::Garbled)?,
        Some(b'[' | b'{') => return Err(FieldProblem::Composite),
        Some(b'n') | None => return Ok(None),
        Some(_) => raw.to_owned(),
    };
    match text.trim() {
        "" => Ok(None),
        trimmed => Ok(Some(trimmed.to_owned())),
    }
}

/// The trimmed texts of a list: an array, an array as JSON within a text, or a text that is the only one. `None` when
/// it is null or blank.
pub(super) fn list(value: &RawValue) -> Result<Option<Vec<String>>, FieldProblem> {
    let array = match text(value) {
        Ok(Some(text)) if !text.starts_with('[') => return Ok(Some(vec![text])),
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(FieldProblem::Composite) => value.get().to_owned(),
        Err(problem) => return Err(problem),
    };
    let texts: Vec<String> = serde_json::from_str(&array).map_err(|_| FieldProblem::Composite)?;
    Ok(Some(texts.iter().map(|text| text.trim().to_owned()).collect()))
}

/// Gathers every field; a map would silently keep the last of two equal names.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Object(fields))
    }
}
