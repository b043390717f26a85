//! The tenant document's values that are the gateway's own: what is logged, and whether the API page is served.

use kyc_model::TenantTable;

/// The values by their keys, in any case.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a>(pub(crate) &'a TenantTable);

/// What is wrong with a key. Names it, not what it holds.
pub(crate) type Problem = (&'static str, &'static str);

// === impl Keys ===

impl<'a> Keys<'a> {
    /// A key's text; an empty one is as good as none.
    pub(crate) fn text(self, key: &str) -> Option<&'a str> {
        // Nothing that logs is told of more than these keys.
        self.0.value(key).map(|value| value.reveal().trim()).filter(|text| !text.is_empty())
    }

    /// `true` or `false`, as FintechOS writes them.
    pub(crate) fn is_on(self, key: &'static str) -> Result<bool, Problem> {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err((key, "must be true or false")),
        }
    }

    /// A number that is more than zero.
    pub(crate) fn number<T: std::str::FromStr + Default + PartialOrd>(
        self,
        key: &'static str,
        problem: &'static str,
    ) -> Result<Option<T>, Problem> {
        let read = |text: &str| text.parse::<T>().ok().filter(|number| *number > T::default());
        self.text(key).map(|text| read(text).ok_or((key, problem))).transpose()
    }
}

/// Tells the operator; the running state stays.
pub(crate) fn report((key, problem): Problem) {
    tracing::warn!(key, problem, "a key of the tenant document is not used");
}

#[cfg(test)]
pub(crate) fn table(values: &[(&str, &str)]) -> TenantTable {
    let mut table = TenantTable::default();
    for (name, value) in values {
        table.set_value(name, kyc_model::Secret::new((*value).to_owned()));
    }
    table
}
