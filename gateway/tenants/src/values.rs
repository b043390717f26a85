//! Values of the tenant document that configure the gateway itself, such as log levels and the switch for the API page.

use kyc_model::TenantTable;

/// Reads values by their keys; upper and lower case are equal.
#[derive(Clone, Copy, Debug)]
pub struct DocumentValues<'a>(pub &'a TenantTable);

/// A key and the rule that its value breaks; never the value.
pub type ValueProblem = (&'static str, &'static str);

// === impl DocumentValues ===

impl<'a> DocumentValues<'a> {
    /// Returns the trimmed text of a key; `None` when it is absent or blank.
    pub fn text(self, key: &str) -> Option<&'a str> {
        // The document holds secrets too. Callers get only the one value that they name.
        self.0.value(key).map(|value| value.reveal().trim()).filter(|text| !text.is_empty())
    }

    /// Parses a switch: `true`, `false`, `1` or `0` in any case; default `false`.
    ///
    /// # Errors
    ///
    /// [`ValueProblem`] for any other text.
    pub fn is_on(self, key: &'static str) -> Result<bool, ValueProblem> {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err((key, "must be true or false")),
        }
    }

    /// Parses a number greater than zero; `None` when the key is absent or blank.
    ///
    /// # Errors
    ///
    /// `problem` for any other text.
    pub fn number<T: std::str::FromStr + Default + PartialOrd>(
        self,
        key: &'static str,
        problem: &'static str,
    ) -> Result<Option<T>, ValueProblem> {
        let read = |text: &str| text.parse::<T>().ok().filter(|number| *number > T::default());
        self.text(key).map(|text| read(text).ok_or((key, problem))).transpose()
    }
}
