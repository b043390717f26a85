//! The types of requests to the admin API.
//!
//! The pages and the commands share one type for each request and one for its answer, so that they cannot diverge. On the wire a
//! request is a path with a query, and an answer is JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The parameters of a query, by name.
pub type Parameters = Vec<(&'static str, String)>;

/// A request to the admin API.
pub trait ApiRequest {
    /// The answer with a status of success.
    type Answer: Serialize + DeserializeOwned;

    /// The path, from the root of an admin listener; a part in braces is a placeholder.
    const PATH: &'static str;

    /// Returns the path of this request.
    fn path(&self) -> String {
        Self::PATH.to_owned()
    }

    /// Returns the parameters that are set.
    fn parameters(&self) -> Parameters;
}

/// The answer to a request that is refused, or that failed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
pub struct ErrorAnswer {
    /// The reason.
    pub error: String,
}
