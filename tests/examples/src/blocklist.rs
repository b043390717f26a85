//! A plugin with a body, a background task and an admin page: refuses applicants whose e-mail domain is on a list.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use kyc_plugin_api::{
    AdminPages, Background, BackgroundContext, BodyBuffering, Build, ConfigError, ConfigErrors, Counter, Ctx,
    Factory, Flow, Plugin, PrepareError, Problem, ProblemKind, Result, async_trait, plugin,
};
use pingora_http::RequestHeader;
use serde::Deserialize;
use serde_json::{Value, json};

/// The kind `acme-blocklist`.
#[derive(Debug)]
pub struct Blocklist {
    max_bytes: usize,
    domains: Arc<Domains>,
    refused: Counter,
}

/// Its settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file with one domain a line; it is read again every second. A relative path counts from the configuration.
    file: PathBuf,
    /// The largest body that is read, in bytes.
    max_bytes: usize,
}

/// The domains on the list, as the file had them last.
#[derive(Debug)]
struct Domains {
    file: PathBuf,
    current: RwLock<HashSet<String>>,
}

// === impl Blocklist ===

impl Factory for Blocklist {
    const KIND: &'static str = "acme-blocklist";
    type Config = Config;
    type Plugin = Self;

    fn build(config: Config, build: &Build<'_>) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        errors.require(config.max_bytes > 0, "max_bytes", "must be greater than zero");
        let domains = errors.take(Domains::read(build.folder.join(config.file)));
        let refused =
            build.metrics.counter("acme_blocked_total", "Applicants on the blocklist.", &["route"])?;
        let refused = refused.with(&[build.route]);
        match domains {
            Some(domains) if errors.is_empty() => {
                Ok(Self { max_bytes: config.max_bytes, domains: Arc::new(domains), refused })
            }
            Some(_) | None => Err(errors),
        }
    }
}

#[plugin]
#[async_trait]
impl Plugin for Blocklist {
    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        if head.method == Method::POST && head.uri.path().ends_with("/applicants") {
            cx.buffer_body(BodyBuffering { limit: self.max_bytes, within: None });
        }
        Ok(Flow::Next)
    }

    async fn request_body_filter(&self, _: &RequestHeader, body: &mut Bytes, _: &mut Ctx) -> Result<Flow> {
        // What cannot be read cannot be looked up, so it does not pass.
        let applicant: Value = serde_json::from_slice(body).map_err(|error| {
            Problem::new(ProblemKind::BadRequest, "the applicant is no JSON").because(error)
        })?;
        let email = applicant.get("email").and_then(Value::as_str).unwrap_or_default();
        let is_blocked = email.rsplit_once('@').is_some_and(|(_, domain)| self.domains.contain(domain));
        tracing::debug!(is_blocked, "looked an applicant up");
        if is_blocked {
            self.refused.inc();
            return Err(Problem::new(ProblemKind::Forbidden, "the e-mail domain is on the blocklist"));
        }
        Ok(Flow::Next)
    }

    fn background(&self) -> Option<Arc<dyn Background>> {
        Some(Arc::clone(&self.domains) as Arc<dyn Background>)
    }

    fn admin_pages(&self) -> Option<Arc<dyn AdminPages>> {
        Some(Arc::clone(&self.domains) as Arc<dyn AdminPages>)
    }
}

// === impl Domains ===

impl Domains {
    fn read(file: PathBuf) -> Result<Self, ConfigError> {
        let domains = Self { file, current: RwLock::default() };
        domains.refresh().map_err(|error| ConfigError::at("file", format!("cannot be read: {error}")))?;
        Ok(domains)
    }

    fn refresh(&self) -> std::io::Result<()> {
        let text = std::fs::read_to_string(&self.file)?;
        let domains = text.lines().map(|line| line.trim().to_lowercase()).collect();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = domains;
        Ok(())
    }

    fn contain(&self, domain: &str) -> bool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).contains(&domain.to_lowercase())
    }
}

#[async_trait]
impl Background for Domains {
    fn name(&self) -> &'static str {
        "acme-blocklist"
    }

    async fn prepare(&self) -> Result<(), PrepareError> {
        Ok(())
    }

    async fn run(&self, context: BackgroundContext) {
        let BackgroundContext { mut shutdown, .. } = context;
        while tokio::time::timeout(POLL_INTERVAL, shutdown.wait_for(|stop| *stop)).await.is_err() {
            if let Err(error) = self.refresh() {
                tracing::warn!(%error, "the blocklist cannot be read, the domains of before stay");
            }
        }
    }
}

#[async_trait]
impl AdminPages for Domains {
    fn name(&self) -> &'static str {
        "acme-blocklist"
    }

    async fn answer(&self, method: &Method, path: &str, _query: &str) -> Response<Vec<u8>> {
        let (status, body) = match (method, path) {
            (&Method::GET, "") => {
                let domains = self.current.read().unwrap_or_else(PoisonError::into_inner).len();
                (StatusCode::OK, json!({ "domains": domains }))
            }
            _ => (StatusCode::NOT_FOUND, json!({ "error": "there is no such page" })),
        };
        let mut answer = Response::new(body.to_string().into_bytes());
        *answer.status_mut() = status;
        answer
    }
}

const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kyc_plugin_api::testkit;

    use super::*;

    #[test]
    fn keeps_the_contract() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");

        testkit::contract::<Blocklist>(&format!("file = {file:?}\nmax_bytes = 65536"));
    }

    #[test]
    fn every_problem_of_the_settings_is_reported_with_its_key() {
        let errors = testkit::build::<Blocklist>("file = \"/no/such/file\"\nmax_bytes = 0").unwrap_err();

        let paths: Vec<&str> = errors.iter().map(ConfigError::path).collect();
        assert_eq!(paths, ["max_bytes", "file"], "{errors}");
    }
}
