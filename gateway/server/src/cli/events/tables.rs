//! Tables of stored events for the terminal.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

/// Undelivered events, the oldest first.
pub(super) fn by_age(answer: &Value) -> String {
    let mut rows =
        vec![["AGE", "DUE", "TENANT", "RESOURCE", "KIND", "STATE", "TRIES", "UID"].map(str::to_owned)];
    for event in answer["events"].as_array().into_iter().flatten() {
        let state = match event["reason"].as_str() {
            Some(reason) => format!("{} ({reason})", word(&event["state"])),
            None => word(&event["state"]).to_owned(),
        };
        let [due, tenant, resource, kind, uid] =
            ["due", "tenant", "resource", "kind", "uid"].map(|field| word(&event[field]).to_owned());
        let tries = event["attempts"].to_string();
        rows.push([age(&event["age_s"]), due, tenant, resource, kind, state, tries, uid]);
    }
    let mut text = columns(&rows);
    if let Some(next) = answer["next"].as_str() {
        text.push_str(&format!("… and more: --after {next}\n"));
    }
    text
}

/// The events of each tenant by state.
pub(super) fn summary(answer: &Value) -> String {
    let names = ["TENANT", "WAITING", "PARKED", "DEAD", "DELIVERED", "OLDEST", "NEXT DUE", "HELD"];
    let mut rows = vec![names.map(str::to_owned)];
    for tenant in answer["tenants"].as_array().into_iter().flatten() {
        let [waiting, parked, dead, delivered] =
            ["waiting", "parked", "dead", "delivered"].map(|state| tenant[state].to_string());
        let [name, due] = ["tenant", "next_due"].map(|field| word(&tenant[field]).to_owned());
        rows.push([name, waiting, parked, dead, delivered, age(&tenant["oldest_age_s"]), due, holds(tenant)]);
    }
    let dispatcher = &answer["dispatcher"];
    let reason = dispatcher["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("deliveries: {}{reason}\n{}", word(&dispatcher["state"]), columns(&rows))
}

/// Why a tenant's events are not delivered.
fn holds(tenant: &Value) -> String {
    let parked = tenant["parked_for"].as_object().into_iter().flatten();
    let parked = parked.map(|(reason, events)| format!("{events} parked: {reason}"));
    let all: Vec<String> = held(&tenant["held"]).into_iter().chain(parked).collect();
    if all.is_empty() { "-".to_owned() } else { all.join("; ") }
}

/// Why deliveries are paused, and until when.
fn held(held: &Value) -> Option<String> {
    let reason = held["reason"].as_str()?;
    let until = held["until"].as_str().map(|until| format!(" until {until}")).unwrap_or_default();
    let error = held["error"].as_str().map(|error| format!(" ({error})")).unwrap_or_default();
    Some(format!("{reason}{until}{error}"))
}

/// How many events were changed, and whether deliveries of their tenants are paused.
pub(super) fn changed(answer: &Value) -> String {
    let mut text = match (&answer["would_change"], &answer["changed"]) {
        (Value::Number(count), _) => format!("{count} events would be changed"),
        (_, Value::Number(count)) if count.as_i64() == Some(1) => "1 event changed".to_owned(),
        (_, count) => format!("{count} events changed"),
    };
    if let Some(count) = answer["unknown_key"].as_i64().filter(|count| *count > 0) {
        let _ = write!(text, "; {count} are sealed with a key that is not configured");
    }
    for hold in answer["held"].as_array().into_iter().flatten() {
        let asked = if hold["asked_now"] == true { ", its portal is asked now" } else { "" };
        let _ =
            write!(text, "\n{} is held: {}{asked}", word(&hold["tenant"]), held(hold).unwrap_or_default());
    }
    text
}

/// Aligns cells in columns.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, field) in widths.iter_mut().zip(row) {
            *width = field.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let fields = row.iter().zip(widths).map(|(field, width)| format!("{field:<width$}"));
        text.push_str(fields.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A text, or `-`.
pub(super) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// Seconds, in the two largest units.
fn age(seconds: &Value) -> String {
    let Some(seconds) = seconds.as_i64() else { return "-".to_owned() };
    let age =
        humantime::format_duration(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))).to_string();
    age.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_content() {
        let event = json!({
            "uid": "01a2", "tenant": "a-tenant-with-a-long-name", "kind": "report.completed", "resource": "r-1",
            "state": "parked", "reason": "unknown_key", "attempts": 3, "due": null, "age_s": 3725,
        });
        let short = json!({ "uid": "01a3", "tenant": "b", "state": "waiting", "attempts": 0, "age_s": 0 });

        let shown = by_age(&json!({ "events": [event, short], "more": true, "next": "17-4" }));

        let expected = "\
AGE    DUE  TENANT                     RESOURCE  KIND              STATE                 TRIES  UID
1h 2m  -    a-tenant-with-a-long-name  r-1       report.completed  parked (unknown_key)  3      01a2
0s     -    b                          -         -                 waiting               0      01a3
… and more: --after 17-4
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_summary_says_what_holds_a_tenant_and_until_when() {
        let held = json!({
            "reason": "login_refused", "until": "2026-11-24T10:00:00Z", "error": "portal answered 401 to the login",
        });
        let acme = json!({
            "tenant": "acme", "waiting": 12, "parked": 1, "dead": 0, "delivered": 7, "oldest_age_s": 93_784,
            "next_due": "2026-11-24T09:59:00Z", "held": held, "parked_for": { "unknown_key": 1 },
        });
        let globex = json!({ "tenant": "globex", "waiting": 0, "parked": 0, "dead": 3, "delivered": 40 });

        let shown = summary(&json!({ "dispatcher": { "state": "running" }, "tenants": [acme, globex] }));

        let expected = "\
deliveries: running
TENANT  WAITING  PARKED  DEAD  DELIVERED  OLDEST   NEXT DUE              HELD
acme    12       1       0     7          1day 2h  2026-11-24T09:59:00Z  \
login_refused until 2026-11-24T10:00:00Z (portal answered 401 to the login); 1 parked: unknown_key
globex  0        0       3     40         -        -                     -
";
        assert_eq!(shown, expected);
    }
}
