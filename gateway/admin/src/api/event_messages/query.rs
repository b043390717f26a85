//! The parameters of a query, as requests read them.

use std::collections::BTreeMap;

use url::form_urlencoded;

/// The parameters that no request has taken yet.
#[derive(Debug)]
pub(crate) struct Query(BTreeMap<String, String>);

/// A request that a query stands for.
pub(crate) trait FromQuery: Sized {
    /// Takes the parameters of the request. Whether their values mean something is checked later.
    ///
    /// # Errors
    ///
    /// Which parameter is not of its type.
    fn take(query: &mut Query) -> Result<Self, String>;
}

// === impl Query ===

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Reads a request. A misspelt parameter is an error: without it the request would mean more events than were meant.
    pub(crate) fn read<R: FromQuery>(mut self) -> Result<R, String> {
        let request = R::take(&mut self)?;
        self.end()?;
        Ok(request)
    }

    /// Refuses a parameter that was not taken.
    pub(crate) fn end(&self) -> Result<(), String> {
        match self.0.keys().next() {
            Some(name) => Err(format!("`{name}` is no parameter of this")),
            None => Ok(()),
        }
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A parameter that is true or false; false where it is absent.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.0.remove(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(format!("{name} is true or false")),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<usize>, String> {
        let text = self.0.remove(name);
        text.map(|text| text.parse().map_err(|_| format!("{name} is a number"))).transpose()
    }
}
