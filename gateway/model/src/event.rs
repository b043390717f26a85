//! A notification of Onfido's, as far as the gateway understands it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;

/// The bytes of a notification that are known to be a JSON object with a `payload.action`.
#[derive(Clone)]
pub struct Event {
    document: Bytes,
    payload: Bytes,
    action: String,
    resource: Option<String>,
}

/// A body is no notification. The text says nothing of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("notification is no JSON object with a payload.action")]
pub struct InvalidEvent;

// === impl Event ===

impl Event {
    /// Checks a body and keeps its bytes as they are.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] when it is no JSON object, or holds no string at `payload.action`.
    pub fn parse(document: &Bytes) -> Result<Self, InvalidEvent> {
        let members: Members<'_> = serde_json::from_slice(document).map_err(|_| InvalidEvent)?;
        let payload = members.get("payload").ok_or(InvalidEvent)?.get();
        let members: Members<'_> = serde_json::from_str(payload).map_err(|_| InvalidEvent)?;
        let action = members.get("action").ok_or(InvalidEvent)?.get();
        let object: Option<Members<'_>> =
            members.get("object").and_then(|object| serde_json::from_str(object.get()).ok());
        let resource = object.and_then(|object| serde_json::from_str(object.get("id")?.get()).ok());
        Ok(Self {
            document: document.clone(),
            payload: document.slice_ref(payload.as_bytes()),
            action: serde_json::from_str(action).map_err(|_| InvalidEvent)?,
            resource,
        })
    }

    /// The notification, byte for byte.
    pub fn document(&self) -> &Bytes {
        &self.document
    }

    /// The value of its `payload`, byte for byte.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The id of what it happened to, when there is one.
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// What happened, for example `report.completed`.
    pub fn action(&self) -> &str {
        &self.action
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event(…)")
    }
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Bytes, Event, InvalidEvent};

    fn parse(text: &'static str) -> Result<Event, InvalidEvent> {
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
    fn what_is_no_notification_is_refused() {
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
            assert_eq!(parse(text).err(), Some(InvalidEvent), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_body() {
        let event = parse("{\"payload\":{\"action\":\"canary\"}}").unwrap();

        assert_eq!(format!("{event:?}"), "Event(…)");
    }

    proptest! {
        #[test]
        fn no_body_panics(body in any::<Vec<u8>>()) {
            let _ = Event::parse(&Bytes::from(body));
        }
    }
}
