//! The variables of the OpenTelemetry specification, as far as they say what is exported at all; the rest of them
//! is read by the library.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use http::header::{HeaderMap, HeaderName, HeaderValue};
use kyc_http_client::Cleartext;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::exporter::encoding::Encoding;
use crate::exporter::settings::{ExportSettings, collector_url};

/// What the environment asks for; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Whether spans are exported.
    pub traces: bool,
    /// Where log events are exported to.
    pub logs: Option<ExportSettings>,
}

/// A variable that cannot be used. Says nothing of its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct EnvironmentError {
    /// Its name.
    pub variable: String,
    /// What is wrong.
    pub reason: String,
}

/// Reads the variables through `variable`; an empty one is as good as none. `cleartext` says whether collectors may be
/// other machines without TLS.
///
/// # Errors
///
/// Every variable that cannot be used.
pub fn read_environment(
    cleartext: Cleartext,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Environment, Vec<EnvironmentError>> {
    let mut reader = Reader { cleartext, variable: &variable, errors: Vec::new() };
    if reader.text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(Environment::default());
    }
    let traces = reader.is_wanted("TRACES");
    let logs = reader.is_wanted("LOGS").then(|| reader.logs()).flatten();
    if traces {
        // Looked at here, so that a wrong one is found before anything is served.
        let _ = (reader.url("TRACES", "v1/traces"), reader.headers("TRACES"));
    }
    if reader.errors.is_empty() { Ok(Environment { traces, logs }) } else { Err(reader.errors) }
}

struct Reader<'a> {
    cleartext: Cleartext,
    variable: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<EnvironmentError>,
}

// === impl Reader ===

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The variable of one signal, else the one for all, with its name.
    fn of(&self, signal: &str, what: &str) -> Option<(String, String)> {
        [format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")]
            .into_iter()
            .find_map(|name| self.text(&name).map(|value| (name, value)))
    }

    fn wrong(&mut self, variable: impl Into<String>, reason: &str) {
        self.errors.push(EnvironmentError { variable: variable.into(), reason: reason.to_owned() });
    }

    /// Whether a signal has somewhere to go, and what it would be said in is known here.
    fn is_wanted(&mut self, signal: &str) -> bool {
        let exporter = format!("OTEL_{signal}_EXPORTER");
        let is_wanted = match self.text(&exporter).as_deref() {
            Some("otlp") => true,
            Some("none") => false,
            None => self.of(signal, "ENDPOINT").is_some(),
            Some(_) => {
                self.wrong(exporter, "must be otlp or none");
                false
            }
        };
        if is_wanted
            && let Some((name, _)) = self.of(signal, "PROTOCOL").filter(|(_, value)| value != PROTOCOL)
        {
            self.wrong(name, "must be http/protobuf, the only protocol here");
        }
        if is_wanted
            && let Some((name, _)) = self.of(signal, "COMPRESSION").filter(|(_, value)| value != "none")
        {
            self.wrong(name, "must be none: nothing is compressed here");
        }
        for what in ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"] {
            if is_wanted && let Some((name, _)) = self.of(signal, what) {
                self.wrong(name, "is not supported: collectors are trusted by the system's certificates");
            }
        }
        is_wanted
    }

    fn logs(&mut self) -> Option<ExportSettings> {
        let headers = self.headers("LOGS");
        let max_events = match self.text(QUEUE).map(|text| text.parse::<usize>()) {
            None => EVENTS,
            Some(Ok(events)) if events > 0 => events,
            Some(_) => {
                self.wrong(QUEUE, "must be a number of events");
                EVENTS
            }
        };
        let url = self.url("LOGS", "v1/logs")?;
        Some(ExportSettings { name: "otlp", url, headers, encoding: Encoding::Otlp, max_events })
    }

    /// A signal's own address is used as it is; the one for all is a base.
    fn url(&mut self, signal: &str, path: &str) -> Option<Url> {
        let (name, text) = self.of(signal, "ENDPOINT").unwrap_or_else(|| (String::new(), LOCAL.to_owned()));
        let Some(mut url) = collector_url(&text) else {
            self.wrong(name, "must be an http or https URL without credentials");
            return None;
        };
        if self.cleartext.check(&url).is_err() {
            self.wrong(name, EXPOSED);
            return None;
        }
        let is_base = !name.contains(signal);
        if is_base && let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        Some(url)
    }

    /// `name=value,…` with values that are percent-encoded; all of them may be secrets.
    fn headers(&mut self, signal: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some((variable, text)) = self.of(signal, "HEADERS") else { return headers };
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let field = pair.split_once('=').and_then(|(name, value)| {
                let name = HeaderName::try_from(name.trim()).ok()?;
                let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
                let mut value = HeaderValue::try_from(value.as_ref()).ok()?;
                value.set_sensitive(true);
                Some((name, value))
            });
            match field {
                Some((name, value)) => drop(headers.insert(name, value)),
                None => self.wrong(variable.clone(), "must be name=value, separated by commas"),
            }
        }
        headers
    }
}

/// The default of the specification.
const LOCAL: &str = "http://localhost:4318";
const EXPOSED: &str = "is http:// to another machine, where everybody on the way can read what is exported: use https://, \
                       or write log.allow_http = true";
const PROTOCOL: &str = "http/protobuf";
/// How many log events wait at most.
const QUEUE: &str = "OTEL_BLRP_MAX_QUEUE_SIZE";
/// More than the 2,048 of the specification, which are gone within a second of a busy gateway.
const EVENTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, Vec<EnvironmentError>> {
        read_with(Cleartext::Allowed, variables)
    }

    fn read_with(
        cleartext: Cleartext,
        variables: &[(&str, &str)],
    ) -> Result<Environment, Vec<EnvironmentError>> {
        read_environment(cleartext, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_is_exported_unless_it_is_asked_for() {
        for variables in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), ("OTEL_SDK_DISABLED", "true")],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                ("OTEL_TRACES_EXPORTER", "none"),
                ("OTEL_LOGS_EXPORTER", "none"),
            ],
        ] {
            assert_eq!(read(variables), Ok(Environment::default()), "{variables:?}");
        }
    }

    #[test]
    fn addresses_and_fields_are_as_specified() {
        let base = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/otel/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, other=1"),
        ])
        .unwrap();
        let own = read(&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://c/logs")]).unwrap();
        let local = read(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_LOGS_EXPORTER", "otlp")]).unwrap();

        let logs = base.logs.unwrap();
        assert_eq!((logs.url.as_str(), base.traces), ("http://c:4318/otel/v1/logs", true));
        assert!(logs.headers["x-key"] == "a b" && logs.headers["other"] == "1");
        assert!(!format!("{logs:?}").contains("a b"), "fields are secret");
        assert_eq!((own.logs.unwrap().url.as_str(), own.traces), ("https://c/logs", false));
        assert_eq!((local.logs.unwrap().url.as_str(), local.traces), ("http://localhost:4318/v1/logs", true));
    }

    #[test]
    fn collectors_on_other_machines_need_tls_unless_the_configuration_says_otherwise() {
        let endpoint = |url| [("OTEL_EXPORTER_OTLP_ENDPOINT", url)];

        let exposed = read_with(Cleartext::Local, &endpoint("http://c:4318")).unwrap_err();

        assert_eq!(exposed.len(), 2, "spans and events");
        assert!(exposed.iter().all(|error| error.reason == EXPOSED), "{exposed:?}");
        for url in ["https://c:4318", "http://127.0.0.1:4318", "http://localhost:4318"] {
            assert!(read_with(Cleartext::Local, &endpoint(url)).is_ok(), "{url}");
        }
    }

    #[test]
    fn every_wrong_variable_is_named_and_its_value_is_not() {
        let errors = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "canary"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "canary"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_BLRP_MAX_QUEUE_SIZE", "canary"),
        ])
        .unwrap_err();

        let variables: Vec<&str> = errors.iter().map(|error| error.variable.as_str()).collect();
        assert_eq!(
            variables,
            [
                "OTEL_TRACES_EXPORTER",
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "OTEL_EXPORTER_OTLP_HEADERS",
                "OTEL_BLRP_MAX_QUEUE_SIZE",
                "OTEL_EXPORTER_OTLP_ENDPOINT"
            ]
        );
        assert!(!format!("{errors:?}").contains("canary"));
    }
}
