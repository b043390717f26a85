//! The form of a note.

/// The names of cases, and the reason for them all.
pub(crate) type Note = (&'static [&'static str], &'static str);
