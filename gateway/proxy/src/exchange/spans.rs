//! The spans of an exchange, while spans are recorded.

use std::sync::Arc;

use http::HeaderMap;
use kyc_model::TraceContext;
use kyc_plugin_api::Outcome;
use kyc_telemetry::traces::Span;

use super::state::Exchange;

/// Begins the span of a request, in the trace that a valid request names.
pub(super) fn begin(exchange: &mut Exchange, headers: Option<&HeaderMap>) {
    exchange.span = Span::server("request", || headers.and_then(TraceContext::from_headers));
    exchange.cx.set_trace(exchange.span.context());
}

/// Sets the attributes, with the names of OpenTelemetry's HTTP conventions where they have one. `url.path` and `url.full` are left
/// out: they contain ids of applicants. The spans end with the exchange.
pub(super) fn end(exchange: &mut Exchange, outcome: &Outcome) {
    if !exchange.span.is_recording() {
        return;
    }
    let method = exchange.method;
    let route = Arc::clone(&exchange.route);
    let tenant = exchange.tenant().to_owned();
    let is_tls = exchange.cx.connection().tls;
    for span in [&mut exchange.span, &mut exchange.upstream.span] {
        span.set("http.request.method", method);
        span.set("tenant", tenant.clone());
    }
    let Exchange { cx, span, upstream, .. } = exchange;
    if let Some(target) = cx.target() {
        let span = &mut upstream.span;
        span.set("server.address", target.base.host().to_owned());
        span.set("server.port", i64::from(target.base.port()));
        span.set("url.scheme", scheme(target.base.is_tls()));
        if let Some(template) = target.operation.as_ref().and_then(|operation| operation.template) {
            span.rename(|| format!("{method} {template}"));
            span.set("url.template", template);
        }
    }
    span.set("url.scheme", scheme(is_tls));
    match route.paths.get(exchange.pattern) {
        Some(pattern) => {
            span.rename(|| format!("{method} {pattern}"));
            span.set("http.route", pattern.clone());
        }
        None => span.rename(|| method.to_owned()),
    }
    span.set("route", route.name.clone());
    span.set("request_id", exchange.request_id.to_str().unwrap_or_default().to_owned());
    span.set("http.response.status_code", i64::from(outcome.status));
    if let Some(code) = outcome.code {
        span.set("error.type", code);
    }
    if outcome.status >= 500 {
        span.fail(outcome.code.unwrap_or("upstream"));
    }
}

/// Returns the value of `url.scheme`.
fn scheme(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}
