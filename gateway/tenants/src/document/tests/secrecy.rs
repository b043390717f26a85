//! The parser does not panic on any input, and its messages contain no secret.

use proptest::prelude::{any, prop, proptest};

use super::*;

#[test]
fn debug_and_refusals_contain_no_secret() {
    let secrets =
        ["subscriptionId", "apiToken", "webhookToken", "ftosClientId", "ftosUsername", "ftosPassword"];
    let mut good = entry("acme");
    for field in secrets.iter().chain(&["clientId", "clientSecret"]) {
        good[field] = json!(format!("canary-{field}"));
    }
    let mut oauth = good.clone();
    (oauth["Name"], oauth["subscriptionId"]) = (json!("oauth"), json!("sub-oauth"));
    oauth["apiToken"] = json!(null);
    let oauth = Document::parse(&document(&[oauth]), None).unwrap();
    let mut entries = vec![good.clone()];
    for field in secrets {
        // An invalid character in each secret field, and a wrong type.
        let mut bad = good.clone();
        bad[field] = json!("canary\n,\u{e9}");
        entries.push(bad.clone());
        bad[field] = json!(["canary"]);
        entries.push(bad);
    }
    let mut url = good.clone();
    url["ftosEndpoint"] = json!("https://canary:canary@p.example");
    entries.push(url);
    let lone = Document::parse(&document(&[good]), None).unwrap();

    let crowd = Document::parse(&document(&entries), None).unwrap();

    assert_eq!((lone.tenants.len(), crowd.refused.len()), (1, entries.len()));
    let refusals: Vec<String> = crowd.refused.iter().map(Refusal::to_string).collect();
    assert_eq!(oauth.tenants.len(), 1);
    for shown in [
        format!("{oauth:?}"),
        format!("{lone:?}"),
        format!("{lone:#?}"),
        format!("{crowd:?}"),
        refusals.join("\n"),
    ] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}

proptest! {
    #[test]
    fn parsing_any_bytes_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(&bytes, None);
    }

    #[test]
    fn parsing_text_similar_to_json_does_not_panic(text in r#"(\{|\}|\[|\]|"|,|:|\\u|d800|null|1e9|Name|Onfido-ApiTokens| ){0,60}"#) {
        let _ = Document::parse(text.as_bytes(), None);
    }

    #[test]
    fn no_value_of_a_field_panics_or_is_in_a_refusal(field in 0..FIELDS.len(), value in "canary\\PC{0,40}") {
        let text = document(&[with(FIELDS[field], json!(value))]);
        let document = Document::parse(&text, None).unwrap();

        for refusal in &document.refused {
            assert!(!refusal.reason.contains("canary"), "{refusal}");
        }
    }
}

const FIELDS: [&str; 15] = [
    "Name",
    "subscriptionId",
    "apiToken",
    "clientId",
    "clientSecret",
    "webhookId",
    "webhookToken",
    "baseUrl",
    "ftosEndpoint",
    "ftosClientId",
    "ftosUsername",
    "ftosPassword",
    "ftosAuth",
    "ftosAction",
    "unknown",
];
