//! Reads the variables of the OpenTelemetry specification that configure the export. The library reads the rest: sampler, batches,
//! resource.
//!
//! The library ignores a value that it cannot use. The gateway reports it and does not start, because missing traces and logs are
//! noticed only when somebody needs them.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use http::header::{HeaderMap, HeaderName, HeaderValue};
use kyc_http_client::Cleartext;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::exporter::encoding::Encoding;
use crate::exporter::settings::{ExportSettings, collector_url};

/// The export that the environment configures; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Whether spans are exported.
    pub traces: bool,
    /// The collector of log events, if any.
    pub logs: Option<ExportSettings>,
}

/// A variable whose value is not valid. The error does not show the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct EnvironmentError {
    /// The name of the variable.
    pub variable: String,
    /// What is wrong.
    pub reason: String,
}

/// Reads the variables through `variable`; an empty one counts as unset. `cleartext` permits or forbids collectors on other
/// machines without TLS.
///
/// # Errors
///
/// One [`EnvironmentError`] for each variable whose value is not valid.
pub fn read_environment(
    cleartext: Cleartext,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Environment, Vec<EnvironmentError>> {
    let mut reader = Reader { cleartext, variable: &variable, errors: Vec::new() };
    if reader.text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(Environment::default());
    }
    // Every variable is read before the first error is returned, so that all errors are reported together.
    let traces = reader.is_enabled("TRACES");
    let logs = reader.is_enabled("LOGS").then(|| reader.logs()).flatten();
    if traces {
        // The library reads these variables itself. Check them here, so that a wrong one stops the start of the gateway.
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

    /// The name and value of the variable of one signal, or else of the one for all signals.
    fn option(&self, signal: &str, what: &str) -> Option<(String, String)> {
        [format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")]
            .into_iter()
            .find_map(|name| self.text(&name).map(|value| (name, value)))
    }

    fn report(&mut self, variable: impl Into<String>, reason: &str) {
        self.errors.push(EnvironmentError { variable: variable.into(), reason: reason.to_owned() });
    }

    /// Whether the export of a signal is configured. Reports options that the gateway does not support.
    fn is_enabled(&mut self, signal: &str) -> bool {
        let exporter = format!("OTEL_{signal}_EXPORTER");
        let is_enabled = match self.text(&exporter).as_deref() {
            Some("otlp") => true,
            Some("none") => false,
            None => self.option(signal, "ENDPOINT").is_some(),
            Some(_) => {
                self.report(exporter, "must be otlp or none");
                false
            }
        };
        if is_enabled
            && let Some((name, _)) = self.option(signal, "PROTOCOL").filter(|(_, value)| value != PROTOCOL)
        {
            self.report(name, "must be http/protobuf, the only supported protocol");
        }
        if is_enabled
            && let Some((name, _)) = self.option(signal, "COMPRESSION").filter(|(_, value)| value != "none")
        {
            self.report(name, "must be none: compression is not supported");
        }
        for what in ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"] {
            if is_enabled && let Some((name, _)) = self.option(signal, what) {
                self.report(name, "is not supported: the system's certificate authorities verify collectors");
            }
        }
        is_enabled
    }

    fn logs(&mut self) -> Option<ExportSettings> {
        let headers = self.headers("LOGS");
        let max_events = match self.text(QUEUE_VARIABLE).map(|text| text.parse::<usize>()) {
            None => DEFAULT_QUEUE_EVENTS,
            Some(Ok(events)) if events > 0 => events,
            Some(_) => {
                self.report(QUEUE_VARIABLE, "must be a number of events, at least 1");
                DEFAULT_QUEUE_EVENTS
            }
        };
        let url = self.url("LOGS", "v1/logs")?;
        Some(ExportSettings { name: "otlp", url, headers, encoding: Encoding::Otlp, max_events })
    }

    /// The URL of a signal. The endpoint of a signal is used unchanged; the one for all signals is a base URL to which the path is
    /// appended.
    fn url(&mut self, signal: &str, path: &str) -> Option<Url> {
        let (name, text) =
            self.option(signal, "ENDPOINT").unwrap_or_else(|| (String::new(), DEFAULT_ENDPOINT.to_owned()));
        let Some(mut url) = collector_url(&text) else {
            self.report(name, "must be an http or https URL without credentials");
            return None;
        };
        if self.cleartext.check(&url).is_err() {
            self.report(name, EXPOSED);
            return None;
        }
        let is_base = !name.contains(signal);
        if is_base && let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        Some(url)
    }

    /// The header fields, `name=value,…` with percent-encoded values. All are marked sensitive, because any of them can be a key.
    fn headers(&mut self, signal: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some((variable, text)) = self.option(signal, "HEADERS") else { return headers };
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
                None => self.report(variable.clone(), "must be name=value, separated by commas"),
            }
        }
        headers
    }
}

/// The default endpoint of the specification.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
const EXPOSED: &str = "is http:// to another machine, so anyone on the network path can read the exported data: use https://, \
                       or set log.allow_http = true";
const PROTOCOL: &str = "http/protobuf";
/// The variable with the largest number of queued log events.
const QUEUE_VARIABLE: &str = "OTEL_BLRP_MAX_QUEUE_SIZE";
/// The default number of queued log events. The 2,048 of the specification are less than a second of a busy gateway.
const DEFAULT_QUEUE_EVENTS: usize = 100_000;

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
    fn export_is_off_by_default() {
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
    fn endpoints_and_headers_follow_the_specification() {
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
    fn collectors_on_other_machines_need_tls_unless_http_is_allowed() {
        let endpoint = |url| [("OTEL_EXPORTER_OTLP_ENDPOINT", url)];

        let exposed = read_with(Cleartext::Local, &endpoint("http://c:4318")).unwrap_err();

        assert_eq!(exposed.len(), 2, "spans and events");
        assert!(exposed.iter().all(|error| error.reason == EXPOSED), "{exposed:?}");
        for url in ["https://c:4318", "http://127.0.0.1:4318", "http://localhost:4318"] {
            assert!(read_with(Cleartext::Local, &endpoint(url)).is_ok(), "{url}");
        }
    }

    #[test]
    fn errors_name_each_invalid_variable_without_its_value() {
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
