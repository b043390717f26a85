//! The dialect of portals with platform credentials: `GetToken` and `CallAction`.

use http::header::CONTENT_TYPE;
use kyc_model::{Event, Portal, Secret};
use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::Value;

use crate::config::DataForm;

#[derive(Serialize)]
struct GetToken<'a> {
    username: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

/// Adds the credentials to the login request.
pub(crate) fn login(post: RequestBuilder, portal: &Portal) -> RequestBuilder {
    post.json(&GetToken {
        username: portal.username.reveal(),
        password: portal.password.reveal(),
        client_id: portal.client_id.as_ref().map(Secret::reveal),
    })
}

/// Adds the token, the action and the event to the delivery request.
pub(crate) fn delivery(
    post: RequestBuilder,
    action: &str,
    token: &Secret,
    event: &Event,
    form: DataForm,
) -> RequestBuilder {
    post.header(CONTENT_TYPE, "application/json").body(call_action(action, token, event, form))
}

/// Writes `{"ApiInfo":{"Token":…},"Request":{"ActionName":…,"Data":…}}`.
///
/// The event's bytes are copied and not serialised again: [`Event`] guarantees that they are JSON, and serialising could
/// change numbers and the order of fields.
fn call_action(action: &str, token: &Secret, event: &Event, form: DataForm) -> Vec<u8> {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut body = format!(
        r#"{{"ApiInfo":{{"Token":{}}},"Request":{{"ActionName":{},"Data":"#,
        quoted(token.reveal()),
        quoted(action)
    )
    .into_bytes();
    match form {
        DataForm::Event => body.extend_from_slice(event.document()),
        DataForm::Payload => body.extend_from_slice(event.payload()),
        DataForm::String => body.extend(quoted(&String::from_utf8_lossy(event.document())).into_bytes()),
    }
    body.extend_from_slice(b"}}");
    body
}

/// The path of the login (FintechOS API reference, "GetToken").
pub(crate) const LOGIN: &[&str] = &["api", "Authorize", "GetToken"];
/// The path of the delivery (FintechOS API reference, "CallAction").
pub(crate) const DELIVERY: &[&str] = &["api", "openApi", "CallAction"];

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn call_action_copies_the_event_and_escapes_token_and_action() {
        let text = "{ \"payload\" : {\"action\":\"a\", \"n\":1.0e2} , \"x\":\"\u{e9}\"}";
        let event = Event::parse(&Bytes::from_static(text.as_bytes())).unwrap();
        let token = Secret::new("t\"\\\n\u{1}".to_owned());

        let [whole, payload, string] = [DataForm::Event, DataForm::Payload, DataForm::String]
            .map(|form| String::from_utf8(call_action("Act\"ion", &token, &event, form)).unwrap());

        let head = r#"{"ApiInfo":{"Token":"t\"\\\n\u0001"},"Request":{"ActionName":"Act\"ion","Data":"#;
        assert_eq!(whole, format!("{head}{text}}}}}"));
        assert_eq!(payload, format!("{head}{{\"action\":\"a\", \"n\":1.0e2}}}}}}"));
        let parsed: Value = serde_json::from_str(&string).unwrap();
        assert_eq!(parsed["Request"]["Data"], text);
        assert_eq!(parsed["ApiInfo"]["Token"], token.reveal());
    }
}
