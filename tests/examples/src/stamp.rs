//! A plugin of a third party: stamps answers with a header and counts them in a metric of its own.

use http::{HeaderName, HeaderValue};
use kyc_plugin_api::{
    Build, ConfigError, ConfigErrors, Counter, Ctx, Factory, Flow, Plugin, Problem, ProblemKind, Result,
    plugin,
};
use pingora_http::{RequestHeader, ResponseHeader};
use serde::Deserialize;

/// The kind `acme-stamp`.
#[derive(Debug)]
pub struct Stamp {
    text: HeaderValue,
    panics_at: Option<String>,
    stamped: Counter,
}

/// Its settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the header `X-Acme-Stamp` says.
    text: String,
    /// The path at which it panics, as a plugin with a mistake does.
    panics_at: Option<String>,
}

impl Factory for Stamp {
    const KIND: &'static str = "acme-stamp";
    type Config = Config;
    type Plugin = Self;

    fn build(config: Config, build: &Build<'_>) -> Result<Self, ConfigErrors> {
        let text =
            HeaderValue::try_from(config.text).map_err(|_| ConfigError::at("text", "is no header value"))?;
        let stamped = build.metrics.counter("acme_stamped_total", "Stamped answers.", &["route"])?;
        Ok(Self { text, panics_at: config.panics_at, stamped: stamped.with(&[build.route]) })
    }
}

#[plugin]
impl Plugin for Stamp {
    #[expect(clippy::panic, reason = "shows what a mistake costs")]
    fn request_filter(&self, head: &RequestHeader, _: &mut Ctx) -> Result<Flow> {
        if self.panics_at.as_deref() == Some(head.uri.path()) {
            panic!("this plugin has a mistake");
        }
        Ok(Flow::Next)
    }

    fn response_filter(&self, head: &mut ResponseHeader, _: &RequestHeader, _: &mut Ctx) -> Result<()> {
        self.stamped.inc();
        head.insert_header(HeaderName::from_static("x-acme-stamp"), self.text.clone())
            .map_err(|_| Problem::new(ProblemKind::Internal, "the stamp is no header value"))
    }
}
