//! The attributes that all spans of calls to a portal have.

use kyc_model::Tenant;
use kyc_telemetry::traces::Span;

/// Sets tenant and address, with the names of OpenTelemetry's HTTP conventions. `url.full` is left out: the name of the server is
/// enough to find a portal, and an address can contain a credential.
pub(crate) fn describe(span: &mut Span, tenant: &Tenant) {
    if !span.is_recording() {
        return;
    }
    let url = &tenant.portal.url;
    span.set("tenant", tenant.name.to_string());
    span.set("http.request.method", "POST");
    span.set("url.scheme", url.scheme().to_owned());
    span.set("server.address", url.host_str().unwrap_or_default().to_owned());
    span.set("server.port", i64::from(url.port_or_known_default().unwrap_or_default()));
}
