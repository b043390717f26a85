//! Which collector gets log events.

use http::HeaderMap;
use url::Url;

use super::encoding::Encoding;

/// Which collector, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// What it is called in the log and in metrics.
    pub name: &'static str,
    /// Where batches are posted to, whole.
    pub url: Url,
    /// Fields of each request, such as a key; those that are secret are marked sensitive.
    pub headers: HeaderMap,
    /// How events are written.
    pub encoding: Encoding,
    /// How many events wait at most; beyond, new ones are dropped. Never more than 32 MiB of them wait.
    pub max_events: usize,
}

/// The address of a collector: http or https, without credentials, which would show up in errors.
pub fn collector_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.username().is_empty() && url.password().is_none()).then_some(url)
}
