use proptest::prelude::*;

use super::*;

const NATIVE: &str = "\u{feff}{ \"other\": 1.50,\n  \"onfido-apitokens\" : [\n    {\"Name\": \"acme\", \"n\": 7e1,\"apiToken\":\"a\"} ,\n    {\"name\":\"bolt\", \"apiToken\" : \"b\"}\n  ], \"last\": \"\\u00e9\" }\n";

fn edited(
    document: &str,
    edit: impl FnOnce(&mut DocumentEdit) -> Result<(), EditError>,
) -> Result<String, EditError> {
    let mut document = DocumentEdit::new(&Secret::new(document.to_owned()));
    edit(&mut document)?;
    Ok(document.into_document().reveal().to_owned())
}

fn encoded(array: &str) -> String {
    format!("{{\"Onfido-ApiTokens\":{},\"EnableSwagger\":\"true\"}}", quoted(array))
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[test]
fn entry_is_added_behind_the_last_one_and_nothing_else_changes() {
    let (name, token) = (secret("ce\"d\u{e9}"), secret("c"));
    let fields = [("Name", &name), ("apiToken", &token)];
    let entry = "{\"Name\":\"ce\\\"d\u{e9}\",\"apiToken\":\"c\"}";

    let native = edited(NATIVE, |document| document.add(&fields)).unwrap();
    let first = edited(&encoded(" [ ] "), |document| document.add(&fields)).unwrap();
    let second = edited(&encoded("[{\"Name\":\"acme\"}]"), |document| document.add(&fields)).unwrap();

    assert_eq!(native, NATIVE.replace("\"b\"}\n", &format!("\"b\"}},{entry}\n")));
    assert_eq!(first, encoded(&format!("[{entry} ]")));
    assert_eq!(second, encoded(&format!("[{{\"Name\":\"acme\"}},{entry}]")));
}

#[test]
fn name_and_subscription_of_another_entry_are_refused() {
    let document = encoded("[{\"NAME\":\" acme \",\"subscriptionId\":12345678901234567890}]");
    for (name, subscription, field) in
        [("acme", "other", "Name"), ("bolt", "12345678901234567890", "subscriptionId")]
    {
        let (name, subscription) = (secret(name), secret(subscription));
        let fields = [("Name", &name), ("subscriptionId", &subscription)];

        let refused = edited(&document, |document| document.add(&fields)).unwrap_err();

        assert_eq!(refused, EditError::Taken { field, index: 1 });
    }
}

#[test]
fn entry_is_removed_with_one_comma() {
    let rows = [
        (
            "[{\"Name\":\"a\"}, {\"Name\":\"b\"} ,{\"Name\":\"c\"}]",
            "a",
            "[{\"Name\":\"b\"} ,{\"Name\":\"c\"}]",
        ),
        (
            "[{\"Name\":\"a\"}, {\"Name\":\"b\"} ,{\"Name\":\"c\"}]",
            "b",
            "[{\"Name\":\"a\"} ,{\"Name\":\"c\"}]",
        ),
        (
            "[{\"Name\":\"a\"}, {\"Name\":\"b\"} ,{\"Name\":\"c\"}]",
            "c",
            "[{\"Name\":\"a\"}, {\"Name\":\"b\"}]",
        ),
        ("[ {\"Name\":\"a\"} ]", "a", "[  ]"),
    ];
    for (array, name, left) in rows {
        let removed = edited(&encoded(array), |document| document.remove(name)).unwrap();

        assert_eq!(removed, encoded(left), "{array} without {name}");
    }
}

#[test]
fn field_is_replaced_added_or_emptied() {
    let set = |field: &str, value: Option<&str>| {
        let value = value.map(secret);
        edited(NATIVE, |document| document.set("bolt", field, value.as_ref())).unwrap()
    };

    assert_eq!(set("APITOKEN", Some("x\n")), NATIVE.replace("\"b\"}", "\"x\\n\"}"));
    assert_eq!(set("webhookId", Some("w")), NATIVE.replace("\"b\"}", "\"b\",\"webhookId\":\"w\"}"));
    assert_eq!(set("apiToken", None), NATIVE.replace("\"b\"}", "null}"));
    assert_eq!(set("webhookId", None), NATIVE);
}

#[test]
fn field_of_an_entry_is_compared_in_each_form() {
    let array = "[{\"Name\":\"a\",\"n\":12345678901234567890,\"callers\":[\"x\"],\"empty\":null,\"webhookid\":\"w\"}]";
    let rows = [
        ("webhookId", "w\n", true),
        ("webhookId", "v", false),
        ("n", "12345678901234567890", true),
        ("callers", "[ \"x\" ]", true),
        ("callers", "[\"y\"]", false),
        ("empty", "", false),
        ("absent", "x", false),
    ];
    for document in [encoded(array), format!("{{\"Onfido-ApiTokens\":{array}}}")] {
        let document = DocumentEdit::new(&secret(&document));
        for (field, value, is_same) in rows {
            assert_eq!(document.has("a", field, &secret(value)), Ok(is_same), "{field} {value}");
        }
        assert_eq!(document.webhook_id("a"), Ok(Some("w".to_owned())));
        assert!(document.webhook_id("b").is_err());
    }
}

#[test]
fn webhook_of_an_entry_that_the_gateway_refuses_is_found() {
    let array = r#"[1, {"Name":"acme","webhookId":"hook-1"}]"#;
    for document in [format!(r#"{{"Onfido-ApiTokens":{array}}}"#), encoded(array)] {
        let edit = DocumentEdit::new(&secret(&document));

        assert_eq!(["hook-1", "hook-2"].map(|id| edit.names_webhook(id)), [Ok(true), Ok(false)]);
    }
    assert!(DocumentEdit::new(&secret("[]")).names_webhook("hook-1").is_err());
}

#[test]
fn name_that_is_not_that_of_one_entry_is_refused() {
    for (array, count) in [("[]", 0), ("[{\"Name\":\"a\"},{\"name\":\"a\"}]", 2), ("[\"a\"]", 0)] {
        let refused = edited(&encoded(array), |document| document.remove("a")).unwrap_err();

        assert_eq!(refused, EditError::NotOne { name: "a".to_owned(), count });
    }
}

#[test]
fn document_without_a_readable_array_is_refused_without_its_text() {
    for document in ["canary", "{\"a\":\"canary\"}", "{\"Onfido-ApiTokens\":\"[canary\"}"] {
        let refused = edited(document, |document| document.remove("a")).unwrap_err();

        assert!(matches!(refused, EditError::Document(_)), "{refused}");
        assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused:?}");
    }
}

proptest! {
    #[test]
    fn added_entry_can_be_removed_again(names in proptest::collection::hash_set("[a-z\"\\\\\u{e9}]{1,6}", 1..6), native: bool) {
        let names: Vec<Secret> = names.into_iter().map(Secret::new).collect();
        let before = if native { "{\"Onfido-ApiTokens\":[]}".to_owned() } else { encoded("[]") };
        let mut document = DocumentEdit::new(&secret(&before));
        for name in &names {
            document.add(&[("Name", name)]).unwrap();
        }
        for name in &names {
            document.set(name.reveal(), "apiToken", Some(name)).unwrap();
            document.remove(name.reveal()).unwrap();
        }

        let after = document.into_document();
        prop_assert_eq!(after.reveal(), before);
    }
}
