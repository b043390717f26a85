//! The settings of a collector of log events.

use http::HeaderMap;
use url::Url;

use super::encoding::Encoding;

/// A collector, its address and its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// The collector's name in logs and metrics: `seq` or `otlp`.
    pub name: &'static str,
    /// The complete URL that batches are posted to.
    pub url: Url,
    /// Header fields of each request, such as an API key; secret values are marked sensitive.
    pub headers: HeaderMap,
    /// The format of the events.
    pub encoding: Encoding,
    /// The largest number of queued events; further events are dropped. The queue is also limited to 32 MiB.
    pub max_events: usize,
}

/// Parses the URL of a collector. Accepts http and https without credentials, since errors quote the URL.
pub fn collector_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.username().is_empty() && url.password().is_none()).then_some(url)
}
