//! Tables of stored events for the terminal.

use std::fmt::Write;
use std::time::Duration;

use kyc_admin::{
    AttemptEntry, ChangeReport, EventDetails, EventEntry, EventList, EventSummary, HoldEntry, TenantEvents,
    TenantHold, UndeliveredList,
};

use crate::cli::table::{columns, word};

/// A table of events, newest first.
pub(super) fn newest(answer: &EventList) -> String {
    let mut rows = vec![["RECEIVED", "UID", "TENANT", "KIND", "STATE", "TRIES"].map(str::to_owned)];
    for event in &answer.events {
        let fields = [&event.received, &event.uid, &event.tenant, &event.kind];
        let [received, uid, tenant, kind] = fields.map(|text| word(text).to_owned());
        rows.push([received, uid, tenant, kind, state(event), event.attempts.to_string()]);
    }
    let mut text = columns(&rows);
    if answer.more {
        text.push_str("… and more: narrow the filter, or raise --limit\n");
    }
    text
}

/// One event, with a line for each field that it has and one for each attempt.
pub(super) fn details(answer: &EventDetails) -> String {
    let EventEntry { uid, tenant, kind, resource, state, reason, attempts, received, due, done, request_id } =
        &answer.event;
    let attempts = attempts.to_string();
    let members = [
        ("uid", Some(uid)),
        ("tenant", Some(tenant)),
        ("kind", Some(kind)),
        ("resource", resource.as_ref()),
        ("state", Some(state)),
        ("reason", reason.as_ref()),
        ("attempts", Some(&attempts)),
        ("received", Some(received)),
        ("due", due.as_ref()),
        ("done", done.as_ref()),
        ("request_id", Some(request_id)),
    ];
    let mut text = String::new();
    for (name, value) in members.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "{name:<12}{value}");
    }
    for AttemptEntry { at, took_ms, status, error, .. } in &answer.tries {
        let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let error = error.as_deref().unwrap_or("delivered");
        let _ = writeln!(text, "  {at}  {took_ms:>6} ms  {status:>3}  {error}");
    }
    text
}

/// A table of undelivered events, oldest first.
pub(super) fn by_age(answer: &UndeliveredList) -> String {
    let mut rows =
        vec![["AGE", "DUE", "TENANT", "RESOURCE", "KIND", "STATE", "TRIES", "UID"].map(str::to_owned)];
    for undelivered in &answer.events {
        let event = &undelivered.event;
        let (due, resource) = (event.due.as_deref(), event.resource.as_deref());
        let (due, resource) = (due.unwrap_or_default(), resource.unwrap_or_default());
        let [due, tenant, resource, kind, uid] =
            [due, &event.tenant, resource, &event.kind, &event.uid].map(|text| word(text).to_owned());
        let (age, tries) = (age(Some(undelivered.age_s)), event.attempts.to_string());
        rows.push([age, due, tenant, resource, kind, state(event), tries, uid]);
    }
    let mut text = columns(&rows);
    if let Some(next) = &answer.next {
        text.push_str(&format!("… and more: --after {next}\n"));
    }
    text
}

/// A table of the number of events of each tenant by state.
pub(super) fn summary(answer: &EventSummary) -> String {
    let names = ["TENANT", "WAITING", "PARKED", "DEAD", "DELIVERED", "OLDEST", "NEXT DUE", "HELD"];
    let mut rows = vec![names.map(str::to_owned)];
    for tenant in &answer.tenants {
        let [waiting, parked, dead, delivered] =
            [tenant.waiting, tenant.parked, tenant.dead, tenant.delivered].map(|count| count.to_string());
        let name = word(&tenant.tenant).to_owned();
        let due = tenant.next_due.clone().unwrap_or_else(|| "-".to_owned());
        rows.push([name, waiting, parked, dead, delivered, age(tenant.oldest_age_s), due, holds(tenant)]);
    }
    let dispatcher = &answer.dispatcher;
    let reason = dispatcher.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("deliveries: {}{reason}\n{}", word(&dispatcher.state), columns(&rows))
}

/// Why a tenant's events are not delivered.
fn holds(tenant: &TenantEvents) -> String {
    let parked = tenant.parked_for.iter().map(|(reason, events)| format!("{events} parked: {reason}"));
    let all: Vec<String> = tenant.held.as_ref().map(held).into_iter().chain(parked).collect();
    if all.is_empty() { "-".to_owned() } else { all.join("; ") }
}

/// Why deliveries are paused, and until when.
fn held(hold: &HoldEntry) -> String {
    let until = hold.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
    let error = hold.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{}{until}{error}", hold.reason)
}

/// How many events were changed, and whether deliveries of their tenants are paused.
pub(super) fn changed(answer: &ChangeReport) -> String {
    let (mut text, unknown_key, held_tenants) = match answer {
        ChangeReport::Planned { would_change, unknown_key } => {
            (format!("{would_change} events would be changed"), *unknown_key, None)
        }
        ChangeReport::Made { changed: 1, unknown_key, held } => {
            ("1 event changed".to_owned(), *unknown_key, held.as_deref())
        }
        ChangeReport::Made { changed, unknown_key, held } => {
            (format!("{changed} events changed"), *unknown_key, held.as_deref())
        }
    };
    if unknown_key > 0 {
        let _ = write!(text, "; {unknown_key} are encrypted with a key that is not configured");
    }
    for TenantHold { hold, tenant, asked_now } in held_tenants.unwrap_or_default() {
        let asked = if *asked_now { "; a delivery is tried now" } else { "" };
        let _ = write!(text, "\n{} is held: {}{asked}", word(tenant), held(hold));
    }
    text
}

/// The state, with the reason if there is one.
fn state(event: &EventEntry) -> String {
    match &event.reason {
        Some(reason) => format!("{} ({reason})", word(&event.state)),
        None => word(&event.state).to_owned(),
    }
}

/// Seconds, in the two largest units.
fn age(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
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

        let answer = json!({ "events": [event, short], "more": true, "next": "17-4" });
        let shown = by_age(&serde_json::from_value(answer).unwrap());

        let expected = "\
AGE    DUE  TENANT                     RESOURCE  KIND              STATE                 TRIES  UID
1h 2m  -    a-tenant-with-a-long-name  r-1       report.completed  parked (unknown_key)  3      01a2
0s     -    b                          -         -                 waiting               0      01a3
… and more: --after 17-4
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn summary_shows_why_and_until_when_deliveries_are_held() {
        let held = json!({
            "reason": "login_refused", "until": "2026-11-24T10:00:00Z", "error": "portal answered 401 to the login",
        });
        let acme = json!({
            "tenant": "acme", "waiting": 12, "parked": 1, "dead": 0, "delivered": 7, "oldest_age_s": 93_784,
            "next_due": "2026-11-24T09:59:00Z", "held": held, "parked_for": { "unknown_key": 1 },
        });
        let globex = json!({ "tenant": "globex", "waiting": 0, "parked": 0, "dead": 3, "delivered": 40 });

        let answer = json!({ "dispatcher": { "state": "running" }, "tenants": [acme, globex] });
        let shown = summary(&serde_json::from_value(answer).unwrap());

        let expected = "\
deliveries: running
TENANT  WAITING  PARKED  DEAD  DELIVERED  OLDEST   NEXT DUE              HELD
acme    12       1       0     7          1day 2h  2026-11-24T09:59:00Z  \
login_refused until 2026-11-24T10:00:00Z (portal answered 401 to the login); 1 parked: unknown_key
globex  0        0       3     40         -        -                     -
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn change_shows_the_number_of_events_and_why_deliveries_are_held() {
        let hold = json!({ "reason": "login_refused", "until": null, "tenant": "acme", "asked_now": true });
        let rows = [
            (json!({ "would_change": 3, "unknown_key": 0 }), "3 events would be changed"),
            (json!({ "changed": 1, "unknown_key": 0 }), "1 event changed"),
            (
                json!({ "changed": 2, "unknown_key": 1 }),
                "2 events changed; 1 are encrypted with a key that is not configured",
            ),
            (
                json!({ "changed": 2, "unknown_key": 0, "held": [hold] }),
                "2 events changed\nacme is held: login_refused; a delivery is tried now",
            ),
        ];

        for (answer, expected) in rows {
            assert_eq!(changed(&serde_json::from_value(answer).unwrap()), expected);
        }
    }
}
