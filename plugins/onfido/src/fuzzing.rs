//! Entry points for the fuzz targets, to the code that parses bytes of callers and of Onfido.

use http::HeaderValue;
use kyc_model::UpstreamBase;
use serde_json::Value;

use crate::links::{rewrite_link, rewrite_location};
use crate::splice::{Spliced, splice_webhook_ids};

/// Sets `webhook_ids` in a body, and checks that no other member changed.
///
/// # Panics
///
/// When another member changed.
pub fn splice(body: &[u8], enforce: bool) {
    let Spliced::Injected(spliced) = splice_webhook_ids(body, "hook-\"1", enforce) else { return };
    let before: serde_json::Result<Value> = serde_json::from_slice(body);
    let after: serde_json::Result<Value> = serde_json::from_slice(&spliced);
    // Valid JSON can hold a number that is out of range for `Value`, so a body can be spliced and still not parse here.
    let Ok(before) = before else { return };
    let (Value::Object(mut before), Ok(Value::Object(mut after))) = (before, after) else {
        panic!("a body that is not an object was changed, or the result is not an object");
    };
    let (given, ids) = (before.remove("webhook_ids"), after.remove("webhook_ids"));
    // `Value` keeps the last value of a repeated key. If that is the caller's own, it stays unless ids are enforced.
    let is_given = !enforce && given.is_some() && given == ids;
    assert!(is_given || ids == Some(Value::from(vec!["hook-\"1"])), "{ids:?}");
    assert_eq!(before, after, "another member changed");
}

/// Rewrites `Link` and `Location`, and checks that a rewritten value contains the public base URL.
///
/// # Panics
///
/// When it does not.
pub fn links(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let Ok(base) = UpstreamBase::parse("https://api.eu.onfido.com/v3.6") else { return };
    let public = "https://gateway.example/dcs/kyc2";
    for rewritten in [rewrite_link(&value, &base, public), rewrite_location(&value, &base, public)] {
        if let Some(rewritten) = rewritten {
            let text = String::from_utf8_lossy(rewritten.as_bytes()).into_owned();
            assert!(text.contains(public), "{text}");
        }
    }
}
