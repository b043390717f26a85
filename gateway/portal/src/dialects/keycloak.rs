//! The dialect of portals with the FintechOS identity provider: `keycloakToken` and automation processors.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use kyc_model::{Event, Portal, Secret};
use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};

use crate::responses::login::LoginResponse;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakToken<'a> {
    user_name: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
struct Claims {
    exp: u64,
}

/// Adds the credentials to the login request.
pub(crate) fn login(post: RequestBuilder, portal: &Portal) -> RequestBuilder {
    post.json(&KeycloakToken { user_name: portal.username.reveal(), password: portal.password.reveal() })
}

/// Adds the event to the delivery request, byte for byte as it was received.
pub(crate) fn delivery(post: RequestBuilder, credential: &HeaderValue, event: &Event) -> RequestBuilder {
    post.header(AUTHORIZATION, credential.clone())
        .header(CONTENT_TYPE, "application/json")
        .body(event.document().clone())
}

/// Returns the path of the delivery, below that of the portal.
pub(crate) fn delivery_path(action: &str) -> [&str; 4] {
    ["ftosapi", "automation-processors", "actions", action]
}

/// Returns the lifetime of the token; `None` when the response does not contain it.
///
/// The order follows the documentation: `expiresIn` is 0 in both of its samples, and it describes `refreshExpiresIn` as the
/// number of seconds for which the token is valid. Without both, the token's own `exp` counts.
pub(crate) fn lifetime(login: &LoginResponse) -> Option<Duration> {
    login.expires_in.or(login.refresh_expires_in).or_else(|| time_left(&login.token))
}

/// Returns the time until a JSON Web Token's `exp` (RFC 7519 §4.1.4). The signature is not verified: the token is only sent
/// back to the portal that issued it.
fn time_left(token: &Secret) -> Option<Duration> {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.reveal().split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    let expiry = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(exp))?;
    expiry.duration_since(SystemTime::now()).ok().filter(|left| !left.is_zero())
}

/// The path of the login (FintechOS API guide, "Authentication").
pub(crate) const LOGIN: &[&str] = &["ftosapi", "authentication", "keycloakToken"];

#[cfg(test)]
mod tests {
    use super::{BASE64_URL_SAFE_NO_PAD, Duration, Engine, LoginResponse, Secret, SystemTime, lifetime};

    fn login_response(expires_in: u64, refresh_expires_in: u64, token: &str) -> LoginResponse {
        let text = format!(
            r#"{{"accessToken":"{token}","expiresIn":{expires_in},"refreshExpiresIn":{refresh_expires_in}}}"#
        );
        LoginResponse::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn lifetime_is_the_first_one_that_is_present() {
        let lives = [login_response(60, 1800, "t"), login_response(0, 1800, "t"), login_response(0, 0, "t")]
            .map(|login| lifetime(&login));

        assert_eq!(lives, [Some(Duration::from_secs(60)), Some(Duration::from_secs(1800)), None]);
    }

    #[test]
    fn lifetime_falls_back_to_the_tokens_own_expiry() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let token = |exp| format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#)));

        let left = lifetime(&login_response(0, 0, &token(now + 500))).unwrap();

        assert!(left > Duration::from_secs(400) && left <= Duration::from_secs(500), "{left:?}");
        assert_eq!(lifetime(&login_response(0, 0, &token(now - 5))), None);
        assert_eq!(super::time_left(&Secret::new(token(u64::MAX))), None);
    }
}
