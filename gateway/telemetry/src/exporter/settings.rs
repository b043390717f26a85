//! Which collector gets log events.

use http::HeaderMap;
use url::Url;

use super::encoding::Encoding;

/// A collector, its address and its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// Its name in logs and metrics.
    pub name: &'static str,
    /// The complete URL that batches are posted to.
    pub url: Url,
    /// Fields of each request, such as a key; those that are secret are marked sensitive.
    pub headers: HeaderMap,
    /// How events are written.
    pub encoding: Encoding,
    /// The largest number of queued events; further events are dropped. The queue is also limited to 32 MiB.
    pub max_events: usize,
}

/// The address of a collector: http or https, without credentials, which would show up in errors.
pub fn collector_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.username().is_empty() && url.password().is_none()).then_some(url)
}
