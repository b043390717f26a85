//! Posts a notification to the gateway as Onfido does.

use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use kyc_http_client::TransportError;
use kyc_model::{Event, Secret};
use reqwest::Client;
use sha2::Sha256;
use url::Url;

use crate::SetupError;

/// Signs the event with the webhook's token and posts it to the URL of the webhook.
///
/// # Errors
///
/// [`SetupError::Unreachable`] without an answer, [`SetupError::NotTaken`] unless the answer is 200.
pub(crate) async fn post_signed(
    client: &Client,
    url: &Url,
    event: &Event,
    token: &Secret,
) -> Result<(), SetupError> {
    let request = client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(SIGNATURE, signature(token, event.document()))
        .body(event.document().clone());
    let response = request.send().await.map_err(|error| {
        let source = TransportError::from(error);
        SetupError::Unreachable { url: url.to_string(), source }
    })?;
    match response.status().as_u16() {
        200 => Ok(()),
        status => Err(SetupError::NotTaken { url: url.to_string(), status, advice: advice(status) }),
    }
}

/// Returns the HMAC-SHA256 of the body in hexadecimal digits (Onfido, "Manual webhook signature verification").
fn signature(token: &Secret, body: &[u8]) -> String {
    // HMAC accepts keys of every length (RFC 2104 §2), so there is always a signature.
    let mac = Hmac::<Sha256>::new_from_slice(token.reveal().as_bytes());
    mac.map(|mac| hex::encode(mac.chain_update(body).finalize().into_bytes())).unwrap_or_default()
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => {
            "the gateway does not know the tenant yet (`kyc-gateway tenants reload --reason TEXT`), or `webhookToken` is not the token of the \
             webhook"
        }
        404 | 405 => "the URL does not lead to the gateway's route for notifications",
        429 | 500..=599 => "the gateway, or what is before it, cannot take notifications now; try again",
        _ => "what answers there is probably not the gateway",
    }
}

const SIGNATURE: &str = "X-SHA2-Signature";

#[cfg(test)]
mod tests {
    use super::*;

    /// A test vector of Onfido's own client libraries.
    #[test]
    fn signature_is_that_of_onfido() {
        let token = Secret::new("very_secret_token".to_owned());

        let signature = signature(&token, br#"{"foo":"bar"}"#);

        assert_eq!(signature, "89e60408fec20bfb26bb0f993d5e88307818982f50f23b361a00d679bae8b1dc");
    }
}
