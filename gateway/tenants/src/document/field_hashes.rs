//! Hashes of the fields of an entry, to name the fields that a document changes without keeping their values.

/// The fields of an entry in the order in which they are read, each with a keyed hash of its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldHashes(Vec<(&'static str, u64)>);

// === impl FieldHashes ===

impl FieldHashes {
    /// Adds a field.
    pub(super) fn add(&mut self, field: &'static str, hash: u64) {
        self.0.push((field, hash));
    }

    /// Returns the names of the fields whose values differ from those of `other`.
    ///
    /// A field that only one of both has does not count: it is the base URL of the document, and the entry's own `baseUrl`
    /// differs then.
    pub(crate) fn differing(&self, other: &Self) -> Vec<&'static str> {
        let differs = |(field, hash): &&(&'static str, u64)| {
            other.0.iter().any(|(name, known)| name == field && known != hash)
        };
        self.0.iter().filter(differs).map(|(field, _)| *field).collect()
    }
}
