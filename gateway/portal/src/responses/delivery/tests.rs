//! Successes, failures and ended sessions in every known spelling.

use proptest::prelude::{any, proptest};

use super::{DeliveryError, Envelope};

#[test]
fn response_without_a_failure_is_a_success() {
    for text in [
        "",
        "1521.09",
        "[{\"IsSuccess\":false}]",
        "OK",
        "\"OK\"",
        "\u{feff}{\"IsSuccess\":true}",
        r#""{\"IsSuccess\":true}""#,
        r#"{"IsSuccess":1}"#,
        r#""{\"IsSuccess\":true,\"Serialized\":\"cut \u00"#,
        r#"{"IsSuccess":true,"Serialized":"cut of"#,
        "{}",
        r#"{"Message":null,"IsSuccess":true,"ErrorCode":0,"UIResult":{"IsSuccess":false}}"#,
        r#"{"Message":"token expired"}"#,
        r#"{"IsSuccess":null,"ErrorCode":null}"#,
    ] {
        assert!(Envelope::read(text.as_bytes()).is_success(), "{text}");
    }
}

#[test]
fn failures_are_found_in_every_spelling() {
    for (text, code) in [
        (r#"{"IsSuccess":false}"#, None),
        (r#"{"isSuccess":false,"ErrorCode":7}"#, Some(7)),
        (r#"{"is_success":"False"}"#, None),
        (r#"{"ISSUCCESS":true,"errorCode":"12"}"#, Some(12)),
        (r#"{"ErrorCode":"E_FAIL"}"#, Some(-1)),
        (r#"{"IsSuccess":false,"Message":"no such action","Serialized":"cut of"#, None),
        (r#"{"Serialized":"cut before the verd"#, None),
        ("\u{feff}{\"IsSuccess\":false}", None),
        ("  \r\n{\"IsSuccess\":false}", None),
        (r#""{\"IsSuccess\":false}""#, None),
        (r#""{\"Serialized\":\"cut"#, None),
        ("\"\u{feff}{\\\"IsSuccess\\\":false}\"", None),
        ("false", None),
        (" \"False\" ", None),
        (r#"{"IsSuccess":0}"#, None),
        (r#"{"IsSuccess":"no"}"#, None),
        (r#"{"IsSuccess":[]}"#, None),
        ("<!DOCTYPE html><title>Sign in</title>", None),
    ] {
        let outcome = Envelope::read(text.as_bytes()).outcome();

        assert!(matches!(outcome, Err(DeliveryError::Refused(seen)) if seen == code), "{text}: {outcome:?}");
    }
}

#[test]
fn ended_sessions_are_distinguished_from_other_failures() {
    for text in [
        r#"{"IsSuccess":false,"Message":"Invalid Token"}"#,
        r#"{"Message":"Your session was closed","IsSuccess":false}"#,
        r#"{"IsSuccess":false,"message":"Unauthorised"}"#,
        r#"{"IsSuccess":false,"ErrorCode":401}"#,
        r#"{"ErrorCode":"401"}"#,
    ] {
        let outcome = Envelope::read(text.as_bytes()).outcome();

        assert!(matches!(outcome, Err(DeliveryError::SessionEnded)), "{text}: {outcome:?}");
    }
}

proptest! {
    #[test]
    fn no_response_causes_a_panic(body in any::<Vec<u8>>()) {
        let _ = Envelope::read(&body);
    }
}
