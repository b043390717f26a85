//! Parses the parameters of a query into requests.

use std::collections::BTreeMap;

use url::form_urlencoded;

/// The parameters that are not parsed yet.
#[derive(Debug)]
pub(crate) struct Query(BTreeMap<String, String>);

/// A request that can be parsed from a query.
pub(crate) trait FromQuery: Sized {
    /// Removes the parameters of the request from the query. Their values are validated later.
    ///
    /// # Errors
    ///
    /// A message that names the parameter with a wrong type.
    fn take(query: &mut Query) -> Result<Self, String>;
}

// === impl Query ===

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Parses a request. An unknown parameter is an error: if a misspelt filter were ignored, the request would change more events
    /// than intended.
    pub(crate) fn read<R: FromQuery>(mut self) -> Result<R, String> {
        let request = R::take(&mut self)?;
        self.end()?;
        Ok(request)
    }

    /// Refuses the query if a parameter is left.
    pub(crate) fn end(&self) -> Result<(), String> {
        match self.0.keys().next() {
            Some(name) => Err(format!("`{name}` is no parameter of this")),
            None => Ok(()),
        }
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Parses a parameter that is true or false; false if it is absent.
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
