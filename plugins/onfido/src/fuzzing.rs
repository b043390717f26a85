//! Doors for fuzzers to what reads callers' and Onfido's bytes.

use http::HeaderValue;
use kyc_model::UpstreamBase;
use serde_json::Value;

use crate::links::{rewrite_link, rewrite_location};
use crate::splice::{Spliced, splice_webhook_ids};

/// Splices a body, and checks that nothing else changed.
///
/// # Panics
///
/// When something else changed.
pub fn splice(body: &[u8], enforce: bool) {
    let Spliced::Injected(spliced) = splice_webhook_ids(body, "hook-\"1", enforce) else { return };
    let before: serde_json::Result<Value> = serde_json::from_slice(body);
    let after: serde_json::Result<Value> = serde_json::from_slice(&spliced);
    // A number that no `Value` can hold is JSON all the same.
    let Ok(before) = before else { return };
    let (Value::Object(mut before), Ok(Value::Object(mut after))) = (before, after) else {
        panic!("only an object is changed, and stays one");
    };
    let (given, ids) = (before.remove("webhook_ids"), after.remove("webhook_ids"));
    // Of a repeated key the last one counts here, and what the caller gave stays.
    let is_given = !enforce && given.is_some() && given == ids;
    assert!(is_given || ids == Some(Value::from(vec!["hook-\"1"])), "{ids:?}");
    assert_eq!(before, after, "only the ids change");
}

/// Rewrites links, and checks that none of Onfido's is left out or another one touched.
///
/// # Panics
///
/// When a rewritten value is no header value.
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
