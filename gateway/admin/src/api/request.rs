//! What a request to the admin API is.
//!
//! The pages that answer and the commands that ask share one type for each request and one for its answer, so that neither
//! can change alone. On the wire a request is a path with a query, and an answer is JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The parameters of a query, by name.
pub type Parameters = Vec<(&'static str, String)>;

/// A request to the admin API.
pub trait ApiRequest {
    /// What a gateway answers with a status of success.
    type Answer: Serialize + DeserializeOwned;

    /// The path, from the root of an admin listener; a part in braces is a placeholder.
    const PATH: &'static str;

    /// The path of this request.
    fn path(&self) -> String {
        Self::PATH.to_owned()
    }

    /// The parameters that are set.
    fn parameters(&self) -> Parameters;
}

/// The answer to a request that is refused, or that failed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
pub struct ErrorAnswer {
    /// Why.
    pub error: String,
}
