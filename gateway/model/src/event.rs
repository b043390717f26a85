//! A notification of Onfido, with the fields that the gateway uses.
//!
//! The gateway delivers the original bytes: a portal can rely on every field that Onfido sends, also on future ones.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;

/// The bytes of a notification: a JSON object with a string at `payload.action`.
#[derive(Clone)]
pub struct Event {
    document: Bytes,
    payload: Bytes,
    action: String,
    resource: Option<String>,
    completed: Option<String>,
}

/// A body is not a notification. The error does not contain the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the notification is not a JSON object with a payload.action")]
pub struct EventError;

// === impl Event ===

impl Event {
    /// Checks a body, and keeps its bytes unchanged.
    ///
    /// # Errors
    ///
    /// [`EventError`] if it is not a JSON object, or has no string at `payload.action`.
    pub fn parse(document: &Bytes) -> Result<Self, EventError> {
        let members: Members<'_> = serde_json::from_slice(document).map_err(|_| EventError)?;
        let payload = members.get("payload").ok_or(EventError)?.get();
        let members: Members<'_> = serde_json::from_str(payload).map_err(|_| EventError)?;
        let action = members.get("action").ok_or(EventError)?.get();
        let object: Option<Members<'_>> =
            members.get("object").and_then(|object| serde_json::from_str(object.get()).ok());
        let text =
            |name| object.as_ref().and_then(|object| serde_json::from_str(object.get(name)?.get()).ok());
        Ok(Self {
            document: document.clone(),
            // Shares the bytes of the document instead of copying them.
            payload: document.slice_ref(payload.as_bytes()),
            action: serde_json::from_str(action).map_err(|_| EventError)?,
            resource: text("id"),
            completed: text("completed_at_iso8601"),
        })
    }

    /// Returns the event with one more member beside `payload`, whose value is JSON text; all other bytes stay as they are.
    /// `None` if the document has a member of that name, or the value is not JSON.
    pub fn with_member(&self, name: &str, value: &str) -> Option<Self> {
        let members: Members<'_> = serde_json::from_slice(&self.document).ok()?;
        if members.contains_key(name) {
            return None;
        }
        let start = self.document.trim_ascii_end().strip_suffix(b"}")?;
        let name = serde_json::to_string(name).ok()?;
        Self::parse(&Bytes::from([start, b",", name.as_bytes(), b":", value.as_bytes(), b"}"].concat())).ok()
    }

    /// Returns the notification, byte for byte.
    pub fn document(&self) -> &Bytes {
        &self.document
    }

    /// Returns the value of `payload`, byte for byte.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Returns the id of the resource (`payload.object.id`), if there is one.
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// Returns when Onfido completed the result (`payload.object.completed_at_iso8601`), as it writes the time, if it says so.
    pub fn completed(&self) -> Option<&str> {
        self.completed.as_deref()
    }

    /// Returns the action, for example `report.completed`.
    pub fn action(&self) -> &str {
        &self.action
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event(…)")
    }
}

/// The members of an object with their original bytes. Parsed values would lose the format of numbers and repeated keys.
type Members<'a> = BTreeMap<String, &'a RawValue>;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Bytes, Event, EventError};

    fn parse(text: &'static str) -> Result<Event, EventError> {
        Event::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn document_and_payload_keep_their_bytes() {
        let text = "{ \"payload\" : {\"action\":\"report.completed\", \"n\":1.0e2 } , \"x\":0}\n";

        let event = parse(text).unwrap();

        assert_eq!(event.action(), "report.completed");
        assert_eq!(event.payload(), "{\"action\":\"report.completed\", \"n\":1.0e2 }");
        assert_eq!(event.document(), text);
    }

    #[test]
    fn added_member_stands_beside_the_payload_and_changes_no_other_byte() {
        let event = parse("{ \"payload\" : {\"action\":\"a\", \"n\":1.0e2} } \n").unwrap();

        let with = event.with_member("more", "{\"n\":1.00}").unwrap();

        assert_eq!(
            with.document(),
            "{ \"payload\" : {\"action\":\"a\", \"n\":1.0e2} ,\"more\":{\"n\":1.00}}"
        );
        assert_eq!((with.payload(), with.action()), (event.payload(), "a"));
        assert!(with.with_member("more", "1").is_none() && event.with_member("more", "{").is_none());
    }

    #[test]
    fn invalid_notifications_are_refused() {
        for text in [
            "",
            "{",
            "[]",
            "\"payload\"",
            "{}",
            "{\"payload\":\"report.completed\"}",
            "{\"payload\":[\"report.completed\"]}",
            "[[\"report.completed\"]]",
            "{\"payload\":{\"action\":1}}",
            "{\"payload\":{\"resource_type\":\"check\"}",
            "{\"payload\":{\"action\":\"a\"}} trailing",
        ] {
            assert_eq!(parse(text).err(), Some(EventError), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_body() {
        let event = parse("{\"payload\":{\"action\":\"canary\"}}").unwrap();

        assert_eq!(format!("{event:?}"), "Event(…)");
    }

    proptest! {
        #[test]
        fn parse_never_panics(body in any::<Vec<u8>>()) {
            let _ = Event::parse(&Bytes::from(body));
        }
    }
}
