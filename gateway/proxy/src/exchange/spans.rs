//! The spans of a request, while spans are recorded.

use std::sync::Arc;

use http::HeaderMap;
use kyc_model::TraceContext;
use kyc_plugin_api::Outcome;
use kyc_telemetry::traces::Span;

use super::state::Exchange;

/// Begins the work for a caller, in the trace that the fields of an admitted request name.
pub(crate) fn begin(exchange: &mut Exchange, headers: Option<&HeaderMap>) {
    exchange.span = Span::server("request", || headers.and_then(TraceContext::from_headers));
    exchange.cx.set_trace(exchange.span.context());
}

/// Says of the spans what the access line says. They end with the exchange.
pub(crate) fn end(exchange: &mut Exchange, method: &'static str, outcome: &Outcome) {
    if !exchange.span.is_recording() {
        return;
    }
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
