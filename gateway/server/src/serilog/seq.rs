//! Reads `serilog-seq-logging` and its related keys.
use http::header::{HeaderMap, HeaderName, HeaderValue};
use kyc_telemetry::{Encoding, ExportSettings, collector_url};
use kyc_tenants::{DocumentValues, ValueProblem};
use url::Url;

use crate::config::SinkSettings;

/// Reads the settings of the export to Seq; `None` if it is off.
///
/// # Errors
///
/// The first invalid key, with the reason.
pub(super) fn read(
    keys: DocumentValues<'_>,
    settings: &SinkSettings,
) -> Result<Option<ExportSettings>, ValueProblem> {
    if !keys.is_on(SEQ)? {
        return Ok(None);
    }
    let encoding = settings.seq;
    let [server, key, max_events] = [SERVER, KEY, MAX_EVENTS].map(|names| spelling(keys, names));
    let url = keys.text(server).ok_or((server, "is missing"))?;
    let url = address(url, encoding).ok_or((server, "must be an http or https URL without credentials"))?;
    settings.cleartext.check(&url).map_err(|_| (server, EXPOSED))?;
    let mut headers = HeaderMap::new();
    if let Some(text) = keys.text(key) {
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| (key, "must contain only characters that are valid in a header"))?;
        value.set_sensitive(true);
        headers.insert(API_KEY, value);
    }
    // The sample document of FintechOS has ten million. The queue is in memory, so the gateway limits it.
    let max_events = keys.number(max_events, "must be a number of events")?.unwrap_or(DEFAULT_EVENTS);
    let max_events = max_events.min(MAX_QUEUED_EVENTS);
    Ok(Some(ExportSettings { name: "seq", url, headers, encoding, max_events }))
}

/// The spelling of a key that the document uses.
fn spelling(keys: DocumentValues<'_>, [long, short]: [&'static str; 2]) -> &'static str {
    if keys.text(long).is_none() && keys.text(short).is_some() { short } else { long }
}

/// The ingestion URL. For CLEF it is the older of Seq's two paths, which Serilog's sink uses and all versions have.
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
/// Both spellings are accepted: no deployed document was available to check, and the keys of files have no `seq-` prefix either.
const SERVER: [&str; 2] = ["serilog-seq-serverUrl", "serilog-serverUrl"];
const KEY: [&str; 2] = ["serilog-seq-apiKey", "serilog-apiKey"];
const MAX_EVENTS: [&str; 2] = ["serilog-seq-maxEventCount", "serilog-maxEventCount"];
const EXPOSED: &str = "is http:// to another machine, so anyone on the network path can read the log and the key: use \
                       https://, or set log.allow_http = true in the configuration";
const API_KEY: HeaderName = HeaderName::from_static("x-seq-apikey");
/// The default of Serilog's Seq sink.
const DEFAULT_EVENTS: usize = 100_000;
/// The largest accepted queue, in events.
const MAX_QUEUED_EVENTS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use kyc_http_client::Cleartext;

    use super::*;
    use crate::serilog::testing::table;

    fn settings(seq: Encoding, cleartext: Cleartext) -> SinkSettings {
        SinkSettings { seq, cleartext, folder: std::path::PathBuf::new() }
    }

    #[test]
    fn seq_on_another_machine_needs_tls_unless_http_is_allowed() {
        for (url, is_refused) in
            [("http://seq:5341", true), ("https://seq", false), ("http://127.0.0.1:5341", false)]
        {
            let values = table(&[(SEQ, "true"), (SERVER[0], url), (KEY[0], "k")]);
            let read = |cleartext| read(DocumentValues(&values), &settings(Encoding::Clef, cleartext));

            assert_eq!(read(Cleartext::Local).err(), is_refused.then_some((SERVER[0], EXPOSED)), "{url}");
            assert!(read(Cleartext::Allowed).is_ok(), "{url}");
        }
    }

    #[test]
    fn seq_settings_are_read_from_both_spellings_of_keys() {
        let values = table(&[
            (SEQ, "True"),
            (SERVER[1], "https://seq.example.com:5341/"),
            (KEY[0], "canary"),
            (MAX_EVENTS[0], "10000000"),
        ]);

        let clef =
            read(DocumentValues(&values), &settings(Encoding::Clef, Cleartext::Local)).unwrap().unwrap();
        let otlp =
            read(DocumentValues(&values), &settings(Encoding::Otlp, Cleartext::Local)).unwrap().unwrap();

        assert_eq!(clef.url.as_str(), "https://seq.example.com:5341/api/events/raw?clef");
        assert_eq!(otlp.url.as_str(), "https://seq.example.com:5341/ingest/otlp/v1/logs");
        assert_eq!((clef.headers["x-seq-apikey"].as_bytes(), clef.max_events), (&b"canary"[..], 1_000_000));
        assert!(!format!("{clef:?}").contains("canary"));
        let off = table(&[(SERVER[0], "http://seq")]);
        assert_eq!(read(DocumentValues(&off), &settings(Encoding::Clef, Cleartext::Local)), Ok(None));
    }

    #[test]
    fn invalid_value_is_reported_with_its_key() {
        let open = settings(Encoding::Clef, Cleartext::Allowed);
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
            assert_eq!(read(DocumentValues(&table(&values)), &open).unwrap_err().0, key, "{value}");
        }
    }
}
