//! What is wrong with the entries of a document, as text for operators. No text contains a value of an entry.

use std::fmt;

/// An unknown field with a name similar to a known one.
///
/// `Display`: `tenant "acme" (entry 3): webhookTokn is not a known field; did you mean webhookToken?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisspeltField {
    /// The entry's position in the array, counted from 1; `None` for a field of the document itself.
    pub index: Option<usize>,
    /// The entry's `Name`, if it is valid.
    pub name: Option<String>,
    /// The field in the document.
    pub field: String,
    /// The known field that is probably meant.
    pub meant: &'static str,
}

/// A refused entry of `Onfido-ApiTokens`.
///
/// `Display`: `tenant "acme" (entry 3): apiToken is missing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The entry's position in the array, counted from 1.
    pub index: usize,
    /// The entry's `Name`, if it is valid.
    pub name: Option<String>,
    /// All broken rules. Contains no value of the entry.
    pub reason: String,
}

/// What an entry, which is used, probably does not mean.
///
/// `Display`: `tenant "acme" (entry 3): events has a kind that Onfido does not document; did you mean report.completed?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryWarning {
    /// The entry's position in the array, counted from 1.
    pub index: usize,
    /// The entry's `Name`, if it is valid.
    pub name: Option<String>,
    /// The warning. Contains no value of the entry.
    pub text: String,
}

// === impl EntryWarning ===

impl fmt::Display for EntryWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", label(self.name.as_deref(), self.index), self.text)
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", label(self.name.as_deref(), self.index), self.reason)
    }
}

// === impl MisspeltField ===

impl fmt::Display for MisspeltField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self.index {
            Some(index) => label(self.name.as_deref(), index),
            None => "document".to_owned(),
        };
        write!(f, "{label}: {} is not a known field; did you mean {}?", self.field, self.meant)
    }
}

/// Names an entry in messages.
fn label(name: Option<&str>, index: usize) -> String {
    match name {
        Some(name) => format!("tenant {name:?} (entry {index})"),
        None => format!("tenant without a name (entry {index})"),
    }
}
