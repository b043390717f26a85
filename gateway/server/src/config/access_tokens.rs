//! The access tokens of tenants with an OAuth client: one service for all routes, with one cache.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kyc_http_client::{Cleartext, ClientError, ClientSettings, Trust};
use kyc_onfido_client::{AccessTokens, FetchResult, TokenObserver};
use kyc_plugin_api::HttpClients;
use kyc_telemetry::{CounterFamily, MetricError, MetricsRegistry, names};

use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;

/// Counts fetches.
struct Fetches(CounterFamily<2>);

// === impl Fetches ===

impl TokenObserver for Fetches {
    fn fetched(&self, tenant: &str, result: FetchResult) {
        self.0.with(&[tenant, result.name()]).inc();
    }
}

/// Offers plugins HTTP clients that trust the authorities in `upstream_ca_file`, and the access tokens that are fetched with one.
/// Tokens are fetched from where calls are sent, so the same authorities and the same rule for `http://` apply.
pub(crate) fn offer(
    upstream_ca_file: Option<PathBuf>,
    allow_http: bool,
    build_context: &BuildContext,
    problems: &mut Problems,
) {
    let clients = HttpClients::new(upstream_ca_file);
    let registry = build_context.metrics.registry();
    let fetches = counter(registry).map_err(|error| error.to_string());
    let tokens = fetches.and_then(|fetches| {
        let tokens = build(&clients, Cleartext::from_setting(allow_http), fetches, build_context);
        tokens.map_err(|error| error.to_string())
    });
    match tokens {
        Ok(tokens) => {
            if let Err(error) = export_ends(registry, tokens.clone()) {
                problems.add("", error.to_string());
            }
            build_context.services.offer(Arc::new(tokens));
        }
        Err(reason) => problems.add("", reason),
    }
    build_context.services.offer(Arc::new(clients));
}

fn counter(registry: &MetricsRegistry) -> Result<CounterFamily<2>, MetricError> {
    registry.counter(
        names::ACCESS_TOKEN_FETCHES,
        "Fetches of access tokens for tenants with an OAuth client.",
        &["tenant", "result"],
    )
}

fn build(
    clients: &HttpClients,
    cleartext: Cleartext,
    fetches: CounterFamily<2>,
    build_context: &BuildContext,
) -> Result<AccessTokens, ClientError> {
    AccessTokens::new(clients.settings(CONNECT), cleartext, Fetches(fetches.clone())).or_else(|error| {
        // A wrong `server.upstream_ca_file` is reported with its key. A system without certificates is no reason to refuse a
        // configuration whose tenants may all have API tokens.
        build_context.warnings.add(format!("access tokens cannot be fetched over https: {error}"));
        AccessTokens::new(ClientSettings::new(CONNECT, Trust::Nobody), cleartext, Fetches(fetches))
    })
}

fn export_ends(registry: &MetricsRegistry, tokens: AccessTokens) -> Result<(), MetricError> {
    registry.computed_gauge(
        names::ACCESS_TOKEN_EXPIRES,
        "Unix time until which a tenant's access token is used.",
        &["tenant"],
        move |gauges| {
            for (tenant, end) in tokens.ends() {
                let since = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                gauges.with(&[tenant.as_str()]).set(i64::try_from(since).unwrap_or(i64::MAX));
            }
        },
    )
}

/// The time for a TCP connection including its TLS handshake.
const CONNECT: Duration = Duration::from_secs(3);
