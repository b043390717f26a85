//! `serilog-seq-logging` and what belongs to it.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use kyc_telemetry::{Encoding, ExportSettings, collector_url};
use url::Url;

use crate::document::{Keys, Problem};

/// The Seq to send events to, if any.
pub(super) fn read(keys: Keys<'_>, encoding: Encoding) -> Result<Option<ExportSettings>, Problem> {
    if !keys.is_on(SEQ)? {
        return Ok(None);
    }
    let [server, key, max_events] = [SERVER, KEY, MAX_EVENTS].map(|names| spelt(keys, names));
    let url = keys.text(server).ok_or((server, "is missing"))?;
    let url = address(url, encoding).ok_or((server, "must be an http or https URL without credentials"))?;
    let mut headers = HeaderMap::new();
    if let Some(text) = keys.text(key) {
        let mut value =
            HeaderValue::try_from(text).map_err(|_| (key, "must be a text that a header can carry"))?;
        value.set_sensitive(true);
        headers.insert(API_KEY, value);
    }
    // FintechOS' sample says ten million, which is more than a gateway should keep in memory.
    let max_events = keys.number(max_events, "must be a number of events")?.unwrap_or(DEFAULT_EVENTS);
    let max_events = max_events.min(MOST_EVENTS);
    Ok(Some(ExportSettings { name: "seq", url, headers, encoding, max_events }))
}

/// The name that the document has for a setting.
fn spelt(keys: Keys<'_>, [long, short]: [&'static str; 2]) -> &'static str {
    if keys.text(long).is_none() && keys.text(short).is_some() { short } else { long }
}

/// Where Seq takes events; Serilog's sink uses the older of its two addresses for CLEF, which all versions have.
fn address(server: &str, encoding: Encoding) -> Option<Url> {
    let mut url = collector_url(server)?;
    let path: &[&str] = match encoding {
        Encoding::Clef => &["api", "events", "raw"],
        Encoding::Otlp => &["ingest", "otlp", "v1", "logs"],
    };
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    url.set_fragment(None);
    url.set_query((encoding == Encoding::Clef).then_some("clef"));
    Some(url)
}

const SEQ: &str = "serilog-seq-logging";
/// No document of a deployment could be looked at; the keys of files have no prefix of their own, so both are taken.
const SERVER: [&str; 2] = ["serilog-seq-serverUrl", "serilog-serverUrl"];
const KEY: [&str; 2] = ["serilog-seq-apiKey", "serilog-apiKey"];
const MAX_EVENTS: [&str; 2] = ["serilog-seq-maxEventCount", "serilog-maxEventCount"];
const API_KEY: HeaderName = HeaderName::from_static("x-seq-apikey");
/// As in Serilog's Seq sink.
const DEFAULT_EVENTS: usize = 100_000;
const MOST_EVENTS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::table;

    #[test]
    fn settings_are_read() {
        let values = table(&[
            (SEQ, "True"),
            (SERVER[1], "https://seq.example.com:5341/"),
            (KEY[0], "canary"),
            (MAX_EVENTS[0], "10000000"),
        ]);

        let clef = read(Keys(&values), Encoding::Clef).unwrap().unwrap();
        let otlp = read(Keys(&values), Encoding::Otlp).unwrap().unwrap();

        assert_eq!(clef.url.as_str(), "https://seq.example.com:5341/api/events/raw?clef");
        assert_eq!(otlp.url.as_str(), "https://seq.example.com:5341/ingest/otlp/v1/logs");
        assert_eq!((clef.headers["x-seq-apikey"].as_bytes(), clef.max_events), (&b"canary"[..], 1_000_000));
        assert!(!format!("{clef:?}").contains("canary"));
        assert_eq!(read(Keys(&table(&[(SERVER[0], "http://seq")])), Encoding::Clef), Ok(None));
    }

    #[test]
    fn each_mistake_names_its_key() {
        let good = [(SEQ, "true"), (SERVER[0], "http://seq:5341"), (KEY[0], "k"), (MAX_EVENTS[0], "10")];
        for (key, value) in [
            (SEQ, "perhaps"),
            (SERVER[0], ""),
            (SERVER[0], "seq:5341"),
            (SERVER[0], "ftp://seq"),
            (SERVER[0], "http://user:canary@seq"),
            (KEY[0], "a\nb"),
            (MAX_EVENTS[0], "0"),
            (MAX_EVENTS[0], "many"),
        ] {
            let values = good.map(|(known, text)| (known, if known == key { value } else { text }));
            assert_eq!(read(Keys(&table(&values)), Encoding::Clef).unwrap_err().0, key, "{value}");
        }
    }
}
