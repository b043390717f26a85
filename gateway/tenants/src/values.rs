//! Values of the tenant document that configure the gateway itself: what it logs, and whether it serves the API page.

use kyc_model::TenantTable;

/// The values by their keys, in any case.
#[derive(Clone, Copy, Debug)]
pub struct DocumentValues<'a>(pub &'a TenantTable);

/// What is wrong with a key. Names it, not what it holds.
pub type ValueProblem = (&'static str, &'static str);

// === impl DocumentValues ===

impl<'a> DocumentValues<'a> {
    /// A key's text; an empty one is as good as none.
    pub fn text(self, key: &str) -> Option<&'a str> {
        // Nothing that logs is told of more than these keys.
        self.0.value(key).map(|value| value.reveal().trim()).filter(|text| !text.is_empty())
    }

    /// `true` or `false`, as FintechOS writes them.
    pub fn is_on(self, key: &'static str) -> Result<bool, ValueProblem> {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err((key, "must be true or false")),
        }
    }

    /// A number that is more than zero.
    pub fn number<T: std::str::FromStr + Default + PartialOrd>(
        self,
        key: &'static str,
        problem: &'static str,
    ) -> Result<Option<T>, ValueProblem> {
        let read = |text: &str| text.parse::<T>().ok().filter(|number| *number > T::default());
        self.text(key).map(|text| read(text).ok_or((key, problem))).transpose()
    }
}
