//! Answers as they are on the wire.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn entry() -> EventEntry {
    EventEntry {
        uid: "01a2".to_owned(),
        tenant: "acme".to_owned(),
        kind: "report.completed".to_owned(),
        resource: Some("r-1".to_owned()),
        state: "waiting".to_owned(),
        attempts: 1,
        received: "2026-11-24T10:00:00.000Z".to_owned(),
        due: Some("2026-11-24T10:01:00.000Z".to_owned()),
        request_id: "q-1".to_owned(),
        ..EventEntry::default()
    }
}

fn hold() -> HoldEntry {
    HoldEntry {
        reason: "login_refused".to_owned(),
        since: Some("2026-11-24T10:00:00.000Z".to_owned()),
        until: None,
        error: Some("portal answered 401 to the login".to_owned()),
    }
}

/// Returns the event of `entry` with more members.
fn with(more: &Value) -> Value {
    let mut event = json!({
        "uid": "01a2", "tenant": "acme", "kind": "report.completed", "resource": "r-1", "state": "waiting",
        "reason": null, "attempts": 1, "received": "2026-11-24T10:00:00.000Z",
        "due": "2026-11-24T10:01:00.000Z", "done": null, "request_id": "q-1",
    });
    let members = more.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(members);
    event
}

/// Written and read, also when the order of the members is another.
fn assert_wire<T>(answer: &T, expected: &Value)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    assert_eq!(&serde_json::to_value(answer).unwrap(), expected);
    assert_eq!(&serde_json::from_value::<T>(expected.clone()).unwrap(), answer);
}

#[test]
fn json_of_lists_is_stable() {
    let newest = EventList { events: vec![entry()], more: true };
    let aged = UndeliveredEntry { event: entry(), age_s: 3725 };
    let oldest = UndeliveredList { events: vec![aged], more: true, next: Some("17-4".to_owned()) };

    assert_wire(&newest, &json!({ "events": [with(&json!({}))], "more": true }));
    let expected = json!({ "events": [with(&json!({ "age_s": 3725 }))], "more": true, "next": "17-4" });
    assert_wire(&oldest, &expected);
    assert_wire(&UndeliveredList::default(), &json!({ "events": [], "more": false, "next": null }));
}

#[test]
fn json_of_an_event_with_its_attempts_is_stable() {
    let failed = AttemptEntry {
        at: "2026-11-24T10:00:00.000Z".to_owned(),
        took_ms: 12,
        status: Some(503),
        error: Some("portal answered 503".to_owned()),
        class: Some("transient".to_owned()),
    };
    let delivered = AttemptEntry { status: Some(200), error: None, class: None, ..failed.clone() };
    let details = EventDetails { event: entry(), tries: vec![failed, delivered] };

    let tries = json!([
        {
            "at": "2026-11-24T10:00:00.000Z", "took_ms": 12, "status": 503, "error": "portal answered 503",
            "class": "transient",
        },
        { "at": "2026-11-24T10:00:00.000Z", "took_ms": 12, "status": 200, "error": null, "class": null },
    ]);
    assert_wire(&details, &with(&json!({ "tries": tries })));
}

#[test]
fn json_of_a_summary_is_stable() {
    let dispatcher = DispatcherEntry { state: "running".to_owned(), ..DispatcherEntry::default() };
    let acme = TenantEvents {
        tenant: "acme".to_owned(),
        waiting: 2,
        parked: 1,
        oldest_age_s: Some(60),
        next_due: Some("2026-11-24T10:01:00.000Z".to_owned()),
        held: Some(hold()),
        parked_for: BTreeMap::from([("unknown_key".to_owned(), 1)]),
        ..TenantEvents::default()
    };
    let globex = TenantEvents { tenant: "globex".to_owned(), delivered: 4, ..TenantEvents::default() };
    let summary = EventSummary { dispatcher, tenants: vec![acme, globex] };

    let held = json!({
        "reason": "login_refused", "since": "2026-11-24T10:00:00.000Z", "until": null,
        "error": "portal answered 401 to the login",
    });
    let expected = json!({
        "dispatcher": { "state": "running", "reason": null, "heartbeat": null },
        "tenants": [
            {
                "tenant": "acme", "waiting": 2, "parked": 1, "dead": 0, "delivered": 0, "oldest_age_s": 60,
                "next_due": "2026-11-24T10:01:00.000Z", "held": held, "parked_for": { "unknown_key": 1 },
            },
            {
                "tenant": "globex", "waiting": 0, "parked": 0, "dead": 0, "delivered": 4,
                "oldest_age_s": null, "next_due": null, "held": null, "parked_for": {},
            },
        ],
    });
    assert_wire(&summary, &expected);
}

#[test]
fn json_of_a_change_report_is_stable() {
    let tenant = TenantHold { hold: hold(), tenant: "acme".to_owned(), asked_now: true };
    let replayed = ChangeReport::Made { changed: 3, unknown_key: 1, held: Some(vec![tenant]) };
    let discarded = ChangeReport::Made { changed: 2, unknown_key: 0, held: None };
    let planned = ChangeReport::Planned { would_change: 5, unknown_key: 0 };

    let held = json!({
        "reason": "login_refused", "since": "2026-11-24T10:00:00.000Z", "until": null,
        "error": "portal answered 401 to the login", "tenant": "acme", "asked_now": true,
    });
    assert_wire(&replayed, &json!({ "changed": 3, "unknown_key": 1, "held": [held] }));
    assert_wire(&discarded, &json!({ "changed": 2, "unknown_key": 0 }));
    assert_wire(&planned, &json!({ "would_change": 5, "unknown_key": 0 }));
}
