//! The problems of a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

use kyc_model::ConfigErrors;

/// All problems of one file, each with the path of its key.
#[derive(Debug)]
pub(crate) struct Problems {
    file: PathBuf,
    found: Vec<(String, String)>,
    /// Paths whose values could not be decoded and were replaced.
    distrusted: Vec<String>,
}

// === impl Problems ===

impl Problems {
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), found: Vec::new(), distrusted: Vec::new() }
    }

    /// Adds a problem; an empty path means the whole file. Ignores problems at distrusted paths: the value there is a replacement,
    /// and its problem has been added already.
    pub(crate) fn add(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        let problem = (path.into(), reason.into());
        let readable = !self.distrusted.iter().any(|place| is_within(&problem.0, place));
        if readable && !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// Adds the problems of a section.
    pub(crate) fn add_all(&mut self, section: &str, errors: &ConfigErrors) {
        for error in errors.iter() {
            let path = if error.path().is_empty() {
                section.to_owned()
            } else {
                format!("{section}.{}", error.path())
            };
            self.add(path, error.reason());
        }
    }

    /// Ignores further problems at `place` and below it.
    pub(crate) fn distrust(&mut self, place: String) {
        self.distrusted.push(place);
    }

    /// Adds a TOML syntax error, with its line and column.
    pub(crate) fn add_syntax(&mut self, text: &str, error: &toml::de::Error) {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.add(format!("line {line}, column {column}"), error.message().replace('\n', ", "));
    }

    /// The file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Each problem's path in the file, which is empty for the whole file, and its reason.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found.iter().map(|(path, reason)| (path.as_str(), reason.as_str()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (path, reason)) in self.found.iter().enumerate() {
            let end = if place + 1 == self.found.len() { "" } else { "\n" };
            match path.as_str() {
                "" => write!(f, "{}: {reason}{end}", self.file.display())?,
                path => write!(f, "{}: {path}: {reason}{end}", self.file.display())?,
            }
        }
        Ok(())
    }
}

fn is_within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
