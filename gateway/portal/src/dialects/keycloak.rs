//! The dialect of portals with the FintechOS identity provider: `keycloakToken` and automation processors.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use kyc_model::{Event, Portal, Secret};
use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};

use crate::answers::login::LoginAnswer;

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

/// Fills in the login.
pub(crate) fn login(post: RequestBuilder, portal: &Portal) -> RequestBuilder {
    post.json(&KeycloakToken { user_name: portal.username.reveal(), password: portal.password.reveal() })
}

/// Fills in the delivery: the event's bytes as they came.
pub(crate) fn delivery(post: RequestBuilder, credential: &HeaderValue, event: &Event) -> RequestBuilder {
    post.header(AUTHORIZATION, credential.clone())
        .header(CONTENT_TYPE, "application/json")
        .body(event.document().clone())
}

/// Where the delivery goes.
pub(crate) fn delivery_path(portal: &Portal) -> [&str; 4] {
    ["ftosapi", "automation-processors", "actions", &portal.action]
}

/// How long the portal says that the token lives.
///
/// `expiresIn` is 0 in the documented samples, and `refreshExpiresIn` is what the documentation calls the
/// token's life; the token's own `exp` is left when neither is there.
pub(crate) fn lifetime(answer: &LoginAnswer) -> Option<Duration> {
    answer.expires_in.or(answer.refresh_expires_in).or_else(|| time_left(&answer.token))
}

/// What is left of a JSON Web Token's `exp` (RFC 7519 §4.1.4); nothing is verified, the portal does that.
fn time_left(token: &Secret) -> Option<Duration> {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.reveal().split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    let expiry = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(exp))?;
    expiry.duration_since(SystemTime::now()).ok().filter(|left| !left.is_zero())
}

/// FintechOS API guide, "Authentication".
pub(crate) const LOGIN: &[&str] = &["ftosapi", "authentication", "keycloakToken"];

#[cfg(test)]
mod tests {
    use super::{BASE64_URL_SAFE_NO_PAD, Duration, Engine, LoginAnswer, Secret, SystemTime, lifetime};

    fn answer(expires_in: u64, refresh_expires_in: u64, token: &str) -> LoginAnswer {
        let text = format!(
            r#"{{"accessToken":"{token}","expiresIn":{expires_in},"refreshExpiresIn":{refresh_expires_in}}}"#
        );
        LoginAnswer::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn lifetime_is_the_first_that_is_given() {
        let lives =
            [answer(60, 1800, "t"), answer(0, 1800, "t"), answer(0, 0, "t")].map(|answer| lifetime(&answer));

        assert_eq!(lives, [Some(Duration::from_secs(60)), Some(Duration::from_secs(1800)), None]);
    }

    #[test]
    fn lifetime_falls_back_to_the_tokens_own_expiry() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let token = |exp| format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#)));

        let left = lifetime(&answer(0, 0, &token(now + 500))).unwrap();

        assert!(left > Duration::from_secs(400) && left <= Duration::from_secs(500), "{left:?}");
        assert_eq!(lifetime(&answer(0, 0, &token(now - 5))), None);
        assert_eq!(super::time_left(&Secret::new(token(u64::MAX))), None);
    }
}
