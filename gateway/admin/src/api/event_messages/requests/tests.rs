//! What a command sends is what the pages read.

use super::*;

/// Every field is set, each to something of its own.
fn selection() -> EventSelection {
    let text = |value: &str| Some(value.to_owned());
    EventSelection {
        tenant: text("acme & co"),
        state: text("dead"),
        kind: text("report.completed"),
        resource: text("r-1"),
        since: text("2h"),
        until: text("2026-11-24T10:00:00Z"),
        reason: text("rejected"),
        uid: text("01a2"),
    }
}

/// Returns the query of a request.
fn query(request: &impl ApiRequest) -> Query {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    Query::parse(&query.extend_pairs(request.parameters()).finish())
}

fn names(request: &impl ApiRequest) -> Vec<&'static str> {
    request.parameters().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn pages_parse_the_requests_of_the_command_line() {
    let list = ListEvents { selection: selection(), limit: Some(7) };
    let replay = ReplayEvents { selection: selection(), dry_run: true, rate: Some(9) };
    let discard = DiscardEvents { selection: selection(), dry_run: true };
    let reassign = ReassignEvents {
        selection: selection(),
        dry_run: true,
        to: "globex".to_owned(),
        reason: "a contract ended".to_owned(),
    };
    let rekey = RekeyEvents { dry_run: true };
    let undelivered =
        ListUndelivered { selection: selection(), limit: Some(7), after: Some("17-4".to_owned()) };
    let mut oldest = query(&undelivered);

    assert_eq!(query(&list).read(), Ok(list));
    assert_eq!(oldest.flag("oldest"), Ok(true));
    assert_eq!(oldest.read(), Ok(undelivered));
    assert_eq!(query(&replay).read(), Ok(replay));
    assert_eq!(query(&discard).read(), Ok(discard));
    assert_eq!(query(&reassign).read(), Ok(reassign));
    assert_eq!(query(&rekey).read(), Ok(rekey));
}

#[test]
fn only_set_fields_are_parameters() {
    let some = EventSelection { reason: Some("poison".to_owned()), ..EventSelection::default() };

    assert_eq!(names(&ListEvents::default()), [""; 0]);
    assert_eq!(names(&ListEvents { selection: some, limit: Some(1) }), ["for", "limit"]);
    assert_eq!(names(&ReplayEvents::default()), ["dry_run"]);
    assert_eq!(names(&SummarizeEvents), [""; 0]);
    assert_eq!(ShowEvent { uid: "01a2".to_owned() }.path(), "/events/01a2");
}

#[test]
fn unknown_or_mistyped_parameter_is_refused() {
    let replay = |query: &str| Query::parse(query).read::<ReplayEvents>().unwrap_err();

    assert_eq!(replay("tenat=acme"), "`tenat` is no parameter of this");
    assert_eq!(replay("state=dead&oldest=true"), "`oldest` is no parameter of this");
    assert_eq!(replay("rate=fast"), "rate is a number");
    assert_eq!(replay("state=dead&dry_run=yes"), "dry_run is true or false");
}
