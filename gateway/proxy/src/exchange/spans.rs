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

/// Sets the attributes that the access line has, too. The spans end with the exchange.
pub(super) fn end(exchange: &mut Exchange, outcome: &Outcome) {
    if !exchange.span.is_recording() {
        return;
    }
    let method = exchange.method;
    let route = Arc::clone(&exchange.route);
    let tenant = exchange.tenant().to_owned();
    let host = exchange.cx.target().map(|target| target.base.host().to_owned());
    for span in [&mut exchange.span, &mut exchange.upstream.span] {
        span.set("http.request.method", method);
        span.set("tenant", tenant.clone());
    }
    if let Some(host) = host {
        exchange.upstream.span.set("server.address", host);
    }
    let span = &mut exchange.span;
    span.rename(|| format!("{method} {}", route.name));
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
