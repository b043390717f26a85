//! The dialect of portals with platform credentials: `GetToken` and `CallAction`.

use kyc_model::{Event, Portal, Secret};
use reqwest::RequestBuilder;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::config::DataForm;

#[derive(Serialize)]
struct GetToken<'a> {
    username: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CallAction<'a> {
    api_info: ApiInfo<'a>,
    request: Request<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ApiInfo<'a> {
    token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    action_name: &'a str,
    data: Wrapped<'a>,
}

/// An event that is written as its own bytes, never as a copy that some parser made of it.
struct Wrapped<'a> {
    event: &'a Event,
    form: DataForm,
}

/// Fills in the login.
pub(crate) fn login(post: RequestBuilder, portal: &Portal) -> RequestBuilder {
    post.json(&GetToken {
        username: portal.username.reveal(),
        password: portal.password.reveal(),
        client_id: portal.client_id.as_ref().map(Secret::reveal),
    })
}

/// Fills in the delivery.
pub(crate) fn delivery(
    post: RequestBuilder,
    portal: &Portal,
    token: &Secret,
    event: &Event,
    form: DataForm,
) -> RequestBuilder {
    post.json(&CallAction {
        api_info: ApiInfo { token: token.reveal() },
        request: Request { action_name: &portal.action, data: Wrapped { event, form } },
    })
}

// === impl Wrapped ===

impl Serialize for Wrapped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = match self.form {
            DataForm::Event => self.event.document(),
            DataForm::Payload => self.event.payload(),
            DataForm::String => {
                return std::str::from_utf8(self.event.document())
                    .map_err(S::Error::custom)?
                    .serialize(serializer);
            }
        };
        serde_json::from_slice::<&RawValue>(raw).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// FintechOS API reference, "GetToken".
pub(crate) const LOGIN: &[&str] = &["api", "Authorize", "GetToken"];
/// FintechOS API reference, "CallAction".
pub(crate) const DELIVERY: &[&str] = &["api", "openApi", "CallAction"];
