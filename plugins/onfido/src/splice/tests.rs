use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn spliced(body: &str) -> Spliced {
    splice_webhook_ids(body.as_bytes(), "hook", false)
}

fn injected(body: &str) -> String {
    match spliced(body) {
        Spliced::Injected(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn absent_null_and_empty_webhook_ids_are_set_to_the_tenants_id() {
    let rows = [
        ("{}", r#"{"webhook_ids":["hook"]}"#),
        (" {\n}", " {\"webhook_ids\":[\"hook\"]\n}"),
        (r#"{"a":1.10}"#, r#"{"webhook_ids":["hook"],"a":1.10}"#),
        (r#"{"webhook_ids":null,"a":1e5}"#, r#"{"webhook_ids":["hook"],"a":1e5}"#),
        (r#"{"a":1,"webhook_ids": [ ] }"#, r#"{"a":1,"webhook_ids": ["hook"] }"#),
        (r#"{"webhook\u005fids":null}"#, r#"{"webhook\u005fids":["hook"]}"#),
        (r#"{"nested":{"webhook_ids":["x"]}}"#, r#"{"webhook_ids":["hook"],"nested":{"webhook_ids":["x"]}}"#),
        (r#"{"webhook_ids":["x"],"webhook_ids":null}"#, r#"{"webhook_ids":["x"],"webhook_ids":["hook"]}"#),
    ];

    for (body, expected) in rows {
        assert_eq!(injected(body), expected);
    }
}

#[test]
fn webhook_ids_of_the_caller_are_kept_unless_enforced() {
    let body = r#"{"webhook_ids":["x"]}"#;

    let enforced = splice_webhook_ids(body.as_bytes(), "hook", true);

    assert_eq!(spliced(body), Spliced::Kept);
    assert_eq!(enforced, Spliced::Injected(br#"{"webhook_ids":["hook"]}"#.to_vec()));
}

#[test]
fn body_that_is_not_a_json_object_is_unchanged() {
    let deep = "[".repeat(100_000);
    let bodies =
        ["", "[]", "null", "\"{}\"", "{", "{}x", "{\"a\":}", "{'a':1}", "\u{feff}{}", "{\"a\":01}", &deep];

    for body in bodies {
        assert_eq!(spliced(body), Spliced::Untouched, "{}", body.get(..20).unwrap_or(body));
    }
    assert_eq!(splice_webhook_ids(b"{\"a\":\"\xff\"}", "hook", false), Spliced::Untouched);
}

#[test]
fn synchronous_check_is_recognised() {
    let synchronous = |body: &str| Check::read(body.as_bytes()).unwrap().synchronous;

    assert!(synchronous(r#"{"asynchronous": false}"#));
    assert!(
        !synchronous(r#"{"asynchronous":true}"#)
            && !synchronous("{}")
            && !synchronous(r#"{"x":{"asynchronous":false}}"#)
    );
}

fn space() -> impl Strategy<Value = String> {
    "[ \\t\\n\\r]{0,3}"
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-0.0".to_owned()),
        Just("1e5".to_owned()),
        Just("12345678901234567890123.10".to_owned()),
        "\"([a-z ]|\\\\u00e9|\\\\\"|\\\\n|é|webhook_ids|\\{|\\}){0,6}\"",
    ]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), space())
                .prop_map(|(items, s)| format!("[{s}{}{s}]", items.join(&format!("{s},")))),
            (prop::collection::vec(("[a-z_]{0,5}", inner), 0..4), space()).prop_map(|(items, s)| {
                let members: Vec<_> =
                    items.iter().map(|(key, value)| format!("\"{key}\"{s}:{value}")).collect();
                format!("{{{s}{}}}", members.join(","))
            }),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z_]{1,8}", 1 => Just("webhook_ids".to_owned()), 1 => Just("webhook\\u005fids".to_owned())]
}

/// Generates an object with random members; `webhook_ids` may be absent, repeated, set, empty, null or of another type.
fn object() -> impl Strategy<Value = String> {
    let member = (
        key(),
        space(),
        prop_oneof![3 => value(), 1 => Just("null".to_owned()), 1 => Just("[ ]".to_owned())],
    );
    (space(), prop::collection::vec(member, 0..6), space()).prop_map(|(before, members, after)| {
        let members: Vec<_> =
            members.iter().map(|(key, s, value)| format!("{s}\"{key}\"{s}:{s}{value}{s}")).collect();
        format!("{before}{{{}}}{after}", members.join(","))
    })
}

proptest! {
    #[test]
    fn splicing_changes_only_webhook_ids(body in object()) {
        let before: Value = serde_json::from_str(&body).unwrap();
        let after = match spliced(&body) {
            Spliced::Injected(bytes) => String::from_utf8(bytes).unwrap(),
            Spliced::Kept => body.clone(),
            Spliced::Untouched => panic!("an object was not recognised"),
        };

        // As values, all members but `webhook_ids` are equal and in the same order.
        let mut before = before.as_object().unwrap().clone();
        let mut after_value: serde_json::Map<String, Value> = serde_json::from_str(&after).unwrap();
        let given = before.shift_remove("webhook_ids");
        let found = after_value.shift_remove("webhook_ids");
        prop_assert_eq!(&before, &after_value);
        match given {
            None => prop_assert_eq!(found, Some(serde_json::json!(["hook"]))),
            Some(Value::Null) => prop_assert_eq!(found, Some(serde_json::json!(["hook"]))),
            Some(Value::Array(ids)) if ids.is_empty() => prop_assert_eq!(found, Some(serde_json::json!(["hook"]))),
            other => prop_assert_eq!(found, other),
        }

        // As bytes, nothing differs but the inserted or replaced values.
        let without = |text: &str| text.replace("\"webhook_ids\":[\"hook\"],", "").replace("\"webhook_ids\":[\"hook\"]", "");
        let neutral = |text: &str| {
            let check = Check::read(text.as_bytes()).unwrap();
            let mut rest = String::new();
            let mut copied = 0;
            for ids in check.ids.iter().filter(|ids| !ids.given || text.get(ids.span.clone()) == Some("[\"hook\"]")) {
                rest.push_str(text.get(copied..ids.span.start).unwrap());
                rest.push('?');
                copied = ids.span.end;
            }
            rest.push_str(text.get(copied..).unwrap());
            rest
        };
        if Check::read(body.as_bytes()).unwrap().ids.is_empty() {
            prop_assert_eq!(without(&after), body);
        } else {
            prop_assert_eq!(neutral(&after), neutral(&body));
        }
    }

    #[test]
    fn splicing_any_bytes_does_not_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = splice_webhook_ids(&body, "hook", true);
    }
}
