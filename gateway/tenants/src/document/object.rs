//! A JSON object whose field names are compared without regard to case. A field that occurs twice is refused: parsers disagree
//! on which of the two counts.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields in the document's order. Values are parsed when they are read.
pub(super) struct Object<'a>(Vec<(String, &'a RawValue)>);

/// Why a field cannot be read. Contains nothing of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FieldProblem {
    /// The field occurs more than once.
    Repeated,
    /// The value is an array or an object.
    NotScalar,
    /// The value is a string with invalid escapes.
    InvalidString,
}

// === impl Object ===

impl<'a> Object<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Returns the value of the only field with one of `names`; `None` when it is absent.
    ///
    /// # Errors
    ///
    /// [`FieldProblem::Repeated`].
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

    /// Iterates over all fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), *value))
    }

    /// Iterates over the fields with a string, number or boolean, and their texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().filter_map(|(key, value)| Some((key.as_str(), text(value).ok().flatten()?)))
    }

    /// Returns the unknown fields that resemble a known one, each with that one.
    pub(super) fn misspelt(&self, known: &[&'static str]) -> Vec<(String, &'static str)> {
        let keys = self.0.iter().map(|(key, _)| key);
        let keys = keys.filter(|key| !known.iter().any(|name| name.eq_ignore_ascii_case(key)));
        keys.filter_map(|key| Some((key.clone(), most_similar(key, known)?))).collect()
    }

    /// Returns the trimmed text of a field; `None` when it is absent, null or blank.
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
    /// Returns the rule that a field with a single value breaks.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Repeated => "is given more than once",
            Self::NotScalar => "must be a string, a number or a boolean",
            Self::InvalidString => "is not a valid JSON string",
        }
    }

    /// Returns the rule that a field with a list breaks.
    pub(super) fn list_text(self) -> &'static str {
        match self {
            Self::Repeated => "is given more than once",
            Self::NotScalar => "must be a JSON array of strings",
            Self::InvalidString => "is not a valid JSON string",
        }
    }
}

/// Returns the known name that a key probably means. It may differ by two edits (Damerau-Levenshtein distance), or by one if
/// the name is short; case, dashes, underscores and blanks do not count.
pub(super) fn most_similar(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = |text: &str| text.replace(['-', '_', ' '], "").to_ascii_lowercase();
    let key = plain(key);
    let distance = |name: &str| strsim::damerau_levenshtein(&key, &plain(name));
    let closest = known.iter().map(|name| (distance(name), *name)).min()?;
    let max_distance = if closest.1.len() < LONG_NAME { 1 } else { 2 };
    (closest.0 <= max_distance).then_some(closest.1)
}

/// The length from which a name may differ by two edits.
const LONG_NAME: usize = 8;

/// Returns the trimmed text of a value. A number is not parsed, so that a long subscription id keeps all its digits.
pub(super) fn text(value: &RawValue) -> Result<Option<String>, FieldProblem> {
    let raw = value.get();
    let text = match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(raw).map_err(|_| FieldProblem::InvalidString)?,
        Some(b'[' | b'{') => return Err(FieldProblem::NotScalar),
        Some(b'n') | None => return Ok(None),
        Some(_) => raw.to_owned(),
    };
    match text.trim() {
        "" => Ok(None),
        trimmed => Ok(Some(trimmed.to_owned())),
    }
}

/// Returns the trimmed strings of a list: an array, a string with an array in it, or a string as the only element. `None`
/// when the value is null or blank.
pub(super) fn list(value: &RawValue) -> Result<Option<Vec<String>>, FieldProblem> {
    let array = match text(value) {
        Ok(Some(text)) if !text.starts_with('[') => return Ok(Some(vec![text])),
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(FieldProblem::NotScalar) => value.get().to_owned(),
        Err(problem) => return Err(problem),
    };
    let texts: Vec<String> = serde_json::from_str(&array).map_err(|_| FieldProblem::NotScalar)?;
    Ok(Some(texts.iter().map(|text| text.trim().to_owned()).collect()))
}

/// Collects every field in a list. A map would silently keep only the last of two equal names.
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
