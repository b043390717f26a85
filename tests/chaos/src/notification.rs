//! The notifications that are sent: each one can be made again from its number, byte for byte.

/// The body of a notification.
pub fn body(tenant: usize, number: u64) -> String {
    format!(
        r#"{{"payload":{{"resource_type":"report","action":"report.completed","object":{{"id":"r-{tenant}-{number}","status":"complete","completed_at_iso8601":"2026-11-24T10:00:00Z","href":"https://api.eu.onfido.com/v3.6/reports/r-{tenant}-{number}","n":1.0e2}},"padding":"{number:0>400}"}}}}"#
    )
}

/// The tenant and number of a body, if it is one of ours and unchanged.
pub fn parse(event: &str) -> Option<(usize, u64)> {
    let (_, rest) = event.split_once(r#""id":"r-"#)?;
    let (id, _) = rest.split_once('"')?;
    let (tenant, number) = id.split_once('-')?;
    let (tenant, number) = (tenant.parse().ok()?, number.parse().ok()?);
    (body(tenant, number) == event).then_some((tenant, number))
}

/// A tenant's name.
pub fn tenant_name(tenant: usize) -> String {
    format!("tenant-{tenant}")
}

/// The tenant with a name.
pub fn tenant_of(name: &str) -> Option<usize> {
    name.strip_prefix("tenant-")?.parse().ok()
}

/// What a tenant's calls are authenticated by at Onfido.
pub fn api_token(tenant: usize) -> String {
    format!("token-{tenant}")
}

/// The id of a tenant's webhook at Onfido.
pub fn webhook_id(tenant: usize) -> String {
    format!("{tenant:08}-0000-4000-8000-000000000000")
}

/// What a tenant's notifications are signed with.
pub fn signing_token(tenant: usize) -> String {
    format!("sign-{tenant}")
}
