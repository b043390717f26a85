//! The problems of settings, each with its path and reason.

use std::error::Error;
use std::fmt;

/// One problem of a configuration.
///
/// It is printed and logged, so the reason must not contain a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    reason: String,
}

/// All problems of one section of a configuration, in the order in which they were found.
///
/// ```
/// use kyc_model::ConfigErrors;
///
/// fn check(burst: u32, wait: u64) -> Result<(), ConfigErrors> {
///     let mut errors = ConfigErrors::default();
///     errors.require(burst > 0, "burst", "must be greater than zero");
///     errors.require(wait <= 300, "wait", "must be at most 300 seconds");
///     errors.finish()
/// }
///
/// assert!(check(1, 60).is_ok());
/// assert_eq!(check(0, 60).unwrap_err().to_string(), "burst: must be greater than zero");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

// === impl ConfigError ===

impl ConfigError {
    /// Creates a problem of the whole section.
    pub fn new(reason: impl Into<String>) -> Self {
        Self::at("", reason)
    }

    /// Creates a problem of the key at `path`, which is relative to the section, such as `timeouts.read` or `secrets[1].file`.
    pub fn at(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }

    /// Returns the path of the key; empty for the whole section.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the same problem with `section` in front of its path, for the section that contains this one.
    #[must_use]
    pub fn below(self, section: &str) -> Self {
        let path = match self.path.as_str() {
            "" => section.to_owned(),
            path if path.starts_with('[') => format!("{section}{path}"),
            path => format!("{section}.{path}"),
        };
        Self { path, ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl Error for ConfigError {}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// Adds a problem of the key at `path`; an empty path means the whole section.
    pub fn add(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.0.push(ConfigError::at(path, reason));
    }

    /// Adds a problem of the key at `path` if `condition` is false.
    pub fn require(&mut self, condition: bool, path: &str, reason: &str) {
        if !condition {
            self.add(path, reason);
        }
    }

    /// Returns the value, or `None` after adding the problems, so that the rest of the section is checked, too.
    pub fn take<T>(&mut self, checked: Result<T, impl Into<Self>>) -> Option<T> {
        checked.map_err(|errors| self.0.extend(errors.into())).ok()
    }

    /// Returns whether no problem was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the problems in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// Returns the same problems with `section` in front of their paths, for the section that contains this one.
    #[must_use]
    pub fn below(self, section: &str) -> Self {
        self.0.into_iter().map(|error| error.below(section)).collect()
    }

    /// Ends the check.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all problems that were added, if there are any.
    pub fn finish(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl FromIterator<ConfigError> for ConfigErrors {
    fn from_iter<I: IntoIterator<Item = ConfigError>>(errors: I) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl Extend<ConfigError> for ConfigErrors {
    fn extend<I: IntoIterator<Item = ConfigError>>(&mut self, errors: I) {
        self.0.extend(errors);
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The problems in one line, separated by semicolons.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_extended_by_each_containing_section() {
        let rows = [
            (ConfigError::new("is missing"), "token"),
            (ConfigError::at("issuer", "is missing"), "token.issuer"),
            (ConfigError::at("[2].file", "is missing"), "token[2].file"),
        ];

        for (error, expected) in rows {
            assert_eq!(error.below("token"), ConfigError::at(expected, "is missing"));
        }
    }

    #[test]
    fn all_problems_are_kept_in_order() {
        let mut errors = ConfigErrors::default();

        let value = errors.take(Err::<(), _>(ConfigError::at("a", "is wrong")));
        let kept = errors.take(Ok::<_, ConfigErrors>(1));
        errors.require(false, "b", "is wrong, too");
        errors.require(true, "c", "is right");
        errors.add("", "is wrong as a whole");

        assert_eq!((value, kept), (None, Some(1)));
        let errors = errors.finish().unwrap_err();
        assert_eq!(errors.to_string(), "a: is wrong; b: is wrong, too; is wrong as a whole");
    }
}
