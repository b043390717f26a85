//! The test event: a notification in Onfido's shape that is about nobody.

use std::time::SystemTime;

use bytes::Bytes;
use kyc_model::{Event, EventError, TEST_EVENT_KIND};
use serde_json::json;
use uuid::Uuid;

/// Builds a test event. Its `payload.action` is a kind that Onfido does not have, its object exists nowhere, and each has an id of
/// its own, so that no one counts as a repetition of another.
///
/// # Errors
///
/// Never: the text is a notification.
pub(crate) fn test_event() -> Result<Event, EventError> {
    let at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let document = json!({
        "payload": {
            "resource_type": "kyc_gateway",
            "action": TEST_EVENT_KIND,
            "object": {
                "id": format!("kyc-gateway-test-{}", Uuid::new_v4()),
                "status": "test",
                "completed_at_iso8601": at,
            },
        },
    });
    Event::parse(&Bytes::from(document.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_event_is_a_notification_about_nobody_with_an_id_of_its_own() {
        let (one, other) = (test_event().unwrap(), test_event().unwrap());

        assert_eq!(one.action(), "kyc_gateway.test");
        assert!(one.resource().is_some_and(|id| id.starts_with("kyc-gateway-test-")));
        assert_ne!(one.document(), other.document());
    }
}
