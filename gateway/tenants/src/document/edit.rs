//! Changes one entry of the tenant document in its text, and leaves every other byte as it was.
//!
//! The document belongs to people and to other programs: it has fields that the gateway does not know, and numbers and strings
//! whose form they chose. Parsing it and writing it again would change these. Therefore an edit replaces only the bytes of the
//! entry, in an array that may be JSON itself or, as FintechOS documents it, JSON within a string.

use kyc_model::Secret;
use serde_json::value::RawValue;

use super::array;
use super::error::DocumentError;
use super::object::{self, FieldProblem, Object};
use super::rules::TOKENS;

/// The text of a tenant document, whose entries can be added, removed and changed.
pub struct DocumentEdit {
    text: Secret,
}

/// Why an entry cannot be changed. Contains no value of the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The document cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// An entry has this value of the field already.
    #[error("{field} belongs to entry {index} already")]
    Taken {
        /// `Name` or `subscriptionId`.
        field: &'static str,
        /// The entry's position in the array, counted from 1.
        index: usize,
    },
    /// No entry has this name, or several have it.
    #[error("{count} entries are named {name:?}")]
    NotOne {
        /// The name.
        name: String,
        /// How many entries have it.
        count: usize,
    },
    /// An entry is not an object whose fields can be read.
    #[error("entry {index} is not an object, or has a field twice")]
    Entry {
        /// The entry's position in the array, counted from 1.
        index: usize,
    },
}

/// An entry of the array and its place in the array's text.
struct Element<'a> {
    raw: &'a RawValue,
    start: usize,
}

// === impl DocumentEdit ===

impl DocumentEdit {
    /// Takes a document as its source has it.
    pub fn new(document: &Secret) -> Self {
        Self { text: document.clone() }
    }

    /// Returns the document with all changes.
    pub fn into_document(self) -> Secret {
        self.text
    }

    /// Returns whether a field of the entry with this name has this value: the same text, or the same JSON.
    ///
    /// # Errors
    ///
    /// [`EditError::NotOne`] if not exactly one entry has the name; [`EditError::Entry`] if the field cannot be read.
    pub fn has(&self, name: &str, field: &str, value: &Secret) -> Result<bool, EditError> {
        let Some(found) = self.field(name, field)? else { return Ok(false) };
        let json = |text: &Secret| serde_json::from_str::<serde_json::Value>(text.reveal()).ok();
        let is_same = found.matches(value.reveal().trim().as_bytes());
        Ok(is_same || json(&found).is_some_and(|found| json(value) == Some(found)))
    }

    /// Returns `webhookId` of the entry with this name, also if the gateway refuses the entry.
    ///
    /// # Errors
    ///
    /// As [`DocumentEdit::has`].
    pub fn webhook_id(&self, name: &str) -> Result<Option<String>, EditError> {
        Ok(self.field(name, "webhookId")?.map(|id| id.reveal().to_owned()))
    }

    /// Returns whether an entry names this webhook, also one that the gateway refuses.
    ///
    /// # Errors
    ///
    /// [`EditError::Document`] if the entries cannot be read.
    pub fn names_webhook(&self, id: &str) -> Result<bool, EditError> {
        Ok(!positions(&self.array()?, "webhookId", id)?.is_empty())
    }

    /// Returns a field: the text of a string, number or boolean, else the JSON; `None` when it is absent or null.
    fn field(&self, name: &str, field: &str) -> Result<Option<Secret>, EditError> {
        let array = self.array()?;
        let place = place_of(&array, name)?;
        let unreadable = || EditError::Entry { index: place + 1 };
        let elements = elements(&array)?;
        let Some(element) = elements.get(place) else { return Ok(None) };
        let object = Object::parse(element.raw.get()).map_err(|_| unreadable())?;
        let Some(value) = object.value(&[field]).map_err(|_| unreadable())? else { return Ok(None) };
        Ok(match object::text(value) {
            Ok(text) => text.map(Secret::new),
            Err(_) => Some(Secret::new(value.get().to_owned())),
        })
    }

    /// Adds an entry with these fields, in their order, behind the last one. All values are strings, as FintechOS documents
    /// them.
    ///
    /// # Errors
    ///
    /// [`EditError::Taken`] if another entry has the same `Name` or `subscriptionId`.
    pub fn add(&mut self, fields: &[(&str, &Secret)]) -> Result<(), EditError> {
        self.change(|array| {
            for unique in ["Name", "subscriptionId"] {
                let Some((_, wanted)) = fields.iter().find(|(name, _)| *name == unique) else { continue };
                if let Some(index) = positions(array, unique, wanted.reveal())?.first() {
                    return Err(EditError::Taken { field: unique, index: *index });
                }
            }
            let members: Vec<String> =
                fields.iter().map(|(name, value)| member(name, value.reveal())).collect();
            let entry = format!("{{{}}}", members.join(","));
            let elements = elements(array)?;
            let (at, before) = match elements.last() {
                Some(last) => (last.start + last.raw.get().len(), ","),
                // Behind the bracket that opens the array.
                None => (array.find('[').map_or(0, |at| at + 1), ""),
            };
            Ok(splice(array, at..at, &format!("{before}{entry}")))
        })
    }

    /// Removes the entry with this name.
    ///
    /// # Errors
    ///
    /// [`EditError::NotOne`] if not exactly one entry has the name.
    pub fn remove(&mut self, name: &str) -> Result<(), EditError> {
        self.change(|array| {
            let place = place_of(array, name)?;
            let elements = elements(array)?;
            let end_of = |element: &Element<'_>| element.start + element.raw.get().len();
            let range =
                match (place.checked_sub(1).and_then(|before| elements.get(before)), elements.get(place)) {
                    // With the comma before it.
                    (Some(before), Some(entry)) => end_of(before)..end_of(entry),
                    (None, Some(entry)) => match elements.get(1) {
                        // With the comma behind it.
                        Some(next) => entry.start..next.start,
                        None => entry.start..end_of(entry),
                    },
                    (_, None) => 0..0,
                };
            Ok(splice(array, range, ""))
        })
    }

    /// Sets a field of the entry with this name: replaces its value, or adds the field. `None` makes it null, which counts as absent,
    /// so that the commas around it need not be parsed again.
    ///
    /// # Errors
    ///
    /// [`EditError::NotOne`] if not exactly one entry has the name; [`EditError::Entry`] if the entry has the field twice.
    pub fn set(&mut self, name: &str, field: &str, value: Option<&Secret>) -> Result<(), EditError> {
        self.change(|array| {
            let place = place_of(array, name)?;
            let elements = elements(array)?;
            let Some(element) = elements.get(place) else { return Ok(array.to_owned()) };
            let unreadable = EditError::Entry { index: place + 1 };
            let object = Object::parse(element.raw.get()).map_err(|_| unreadable.clone())?;
            let found = object.value(&[field]).map_err(|_| unreadable)?;
            Ok(match (found, value) {
                (Some(old), new) => {
                    let at = offset(array, old.get());
                    let new = new.map_or_else(|| "null".to_owned(), |new| quoted(new.reveal()));
                    splice(array, at..at + old.get().len(), &new)
                }
                (None, Some(new)) => {
                    // An entry with a name has at least one field before the bracket that closes it.
                    let end = element.start + element.raw.get().len() - 1;
                    splice(array, end..end, &format!(",{}", member(field, new.reveal())))
                }
                (None, None) => array.to_owned(),
            })
        })
    }

    /// Returns the text of the array.
    fn array(&self) -> Result<String, EditError> {
        let object = array::parse_document(self.text.reveal())?;
        let raw = array::locate(&object)?;
        Ok(array_text(raw)?.unwrap_or_else(|| raw.get().to_owned()))
    }

    /// Replaces the text of the array, in the form that the document has it.
    fn change(&mut self, edit: impl FnOnce(&str) -> Result<String, EditError>) -> Result<(), EditError> {
        let text = self.text.reveal();
        let object = array::parse_document(text)?;
        let raw = array::locate(&object)?;
        let (start, length) = (offset(text, raw.get()), raw.get().len());
        let changed = match array_text(raw)? {
            Some(array) => quoted(&edit(&array)?),
            None => edit(raw.get())?,
        };
        self.text = Secret::new(splice(text, start..start + length, &changed));
        Ok(())
    }
}

impl std::fmt::Debug for DocumentEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DocumentEdit").finish_non_exhaustive()
    }
}

/// Returns the array within a string; `None` if it is an array itself.
fn array_text(raw: &RawValue) -> Result<Option<String>, DocumentError> {
    match object::text(raw) {
        Ok(Some(array)) => Ok(Some(array)),
        Ok(None) => Err(DocumentError::MissingTokens),
        Err(FieldProblem::NotScalar) => Ok(None),
        Err(problem) => Err(DocumentError::of_field(TOKENS, problem)),
    }
}

/// Returns the position, counted from 0, of the only entry with this name.
fn place_of(array: &str, name: &str) -> Result<usize, EditError> {
    match positions(array, "Name", name)?.as_slice() {
        [index] => Ok(index - 1),
        found => Err(EditError::NotOne { name: name.to_owned(), count: found.len() }),
    }
}

/// Returns the positions, counted from 1, of the entries with this value of a field.
fn positions(array: &str, field: &str, wanted: &str) -> Result<Vec<usize>, EditError> {
    let mut found = Vec::new();
    for (index, element) in (1..).zip(elements(array)?) {
        // Entries that cannot be read are refused by the gateway, and are none of those that are looked for.
        let value =
            Object::parse(element.raw.get()).ok().and_then(|object| object.text(field).ok().flatten());
        if value.is_some_and(|value| value == wanted) {
            found.push(index);
        }
    }
    Ok(found)
}

fn elements(array: &str) -> Result<Vec<Element<'_>>, EditError> {
    let raw = array::elements(array)?;
    Ok(raw.into_iter().map(|raw| Element { raw, start: offset(array, raw.get()) }).collect())
}

/// Returns where `part` begins in `whole`, of which it is a part.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

/// Replaces a range of a text, which begins and ends between characters.
fn splice(text: &str, range: std::ops::Range<usize>, new: &str) -> String {
    let (before, after) = (text.get(..range.start), text.get(range.end..));
    [before.unwrap_or_default(), new, after.unwrap_or_default()].concat()
}

fn member(name: &str, value: &str) -> String {
    format!("{}:{}", quoted(name), quoted(value))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
