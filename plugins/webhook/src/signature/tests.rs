use kyc_plugin_api::testkit::head;
use proptest::prelude::{any, proptest};

use super::{HEADER, Secret, Signature, SignatureError};

/// Token, body and signature, as Onfido's client libraries publish them.
const VECTORS: [(&str, &[u8], &str); 9] = [
    (
        "_ABC123abc123ABC123abc123ABC123_",
        br#"{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"check-123","status":"complete","completed_at_iso8601":"2020-01-01T00:00:00Z","href":"https://api.onfido.com/v3/checks/check-123"}}}"#,
        "a0082d7481f9f0a2907583dbe1f344d6d4c0d9989df2fd804f98479f60cd760e",
    ),
    (
        "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh",
        br#"{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"f2302f45-227d-413d-ad61-09ec077a086a","status":"complete","completed_at_iso8601":"2024-04-04T09:21:21Z","href":"https://api.onfido.com/v3.6/checks/f2302f45-227d-413d-ad61-09ec077a086a"}}}"#,
        "77ebc3e418f26be6eebb47f7ebe551321de26734fc273961e075fc9ab163d9c7",
    ),
    (
        "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh",
        br#"{"payload":{"resource_type":"check"}"#,
        "f9f913a02e5c7e96cf43d46a6d1b0cf93237fa72e93ef25c365eae29b7945453",
    ),
    (
        "YKOC6mkBxi6yK2zlUIrLMvsJMFEZObP5",
        br#"{"payload":{"resource_type":"workflow_task","action":"workflow_task.started","object":{"id":"profile_1eb92","task_spec_id":"profile_1eb92","task_def_id":"profile_data","workflow_run_id":"bc77c6e5-753a-4580-96a6-aaed3e5a8d19","status":"started","started_at_iso8601":"2024-07-10T12:49:09Z","href":"https://api.eu.onfido.com/v3.6/workflow_runs/bc77c6e5-753a-4580-96a6-aaed3e5a8d19/tasks/profile_1eb92"},"resource":{"created_at":"2024-07-10T12:49:09Z","id":"profile_1eb92","workflow_run_id":"bc77c6e5-753a-4580-96a6-aaed3e5a8d19","updated_at":"2024-07-10T12:49:09Z","input":{},"task_def_version":null,"task_def_id":"profile_data","output":null}}}"#,
        "c95a5b785484f6fa1bc25f381b5595d66bf85cb442eefb06aa007802ee6a4dfa",
    ),
    (
        "YKOC6mkBxi6yK2zlUIrLMvsJMFEZObP5",
        include_bytes!("../../tests/data/object.json"),
        "e3e5565647f5ccf07b2fd8ac22eab94a0a0619413d981fb768295c820523f7d7",
    ),
    (
        "YKOC6mkBxi6yK2zlUIrLMvsJMFEZObP5",
        include_bytes!("../../tests/data/list.json"),
        "f3a5170acfcecf8c1bf6d9cb9995c0d9dec941af83056a721530f8de7af2c293",
    ),
    (
        "very_secret_token",
        br#"{"foo":"bar"}"#,
        "89e60408fec20bfb26bb0f993d5e88307818982f50f23b361a00d679bae8b1dc",
    ),
    (
        "ileDMrEn29YPQqZBZi8HJ-e33nqXMrtx",
        br#"{"payload":{"resource_type":"check","action":"check.started","object":{"id":"08f64599-e484-4870-8227-b4a52861a656","status":"in_progress","completed_at_iso8601":"2021-02-19T16:30:03Z","href":"https://api.onfido.com/v3/checks/08f64599-e484-4870-8227-b4a52861a656"}}}"#,
        "bac836ffcc32856bcf70deb77dd63e432ab13e4d940751db927795f616c85352",
    ),
    (
        "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh",
        br#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"b1a5ae30-2c2c-4a4c-9d4d-6a4a0a1c4f10","status":"complete","completed_at_iso8601":"2024-04-04T09:21:21Z","href":"https://api.eu.onfido.com/v3.2/reports/b1a5ae30-2c2c-4a4c-9d4d-6a4a0a1c4f10"}}}"#,
        "2bcf99c7af696a1d8cfb5480f6ec8a6c67194571b81f0b403b00dc6355554f00",
    ),
];

fn read(value: &str) -> Result<Signature, SignatureError> {
    Signature::from_head(&head("POST", "/", &[(HEADER, value)]))
}

fn secret(token: &str) -> Secret {
    Secret::new(token.to_owned())
}

#[test]
fn published_test_vectors_are_accepted_in_upper_and_lower_case() {
    for (token, body, signature) in VECTORS {
        for spelling in [signature.to_owned(), signature.to_uppercase()] {
            assert_eq!(read(&spelling).unwrap().verify(&secret(token), body), Ok(()), "{spelling}");
        }
    }
}

#[test]
fn every_one_bit_change_of_a_body_is_refused() {
    for (token, body, signature) in VECTORS {
        let (token, signature) = (secret(token), read(signature).unwrap());
        let mut changed = body.to_vec();

        for bit in 0..body.len() * 8 {
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(signature.verify(&token, &changed), Err(SignatureError::Wrong), "bit {bit}");
            changed[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(signature.verify(&token, &changed), Ok(()));
    }
}

#[test]
fn every_one_bit_change_of_a_signature_is_refused() {
    for (token, body, signature) in VECTORS {
        let token = secret(token);
        for bit in 0..256 {
            let mut digest = hex::decode(signature).unwrap();
            digest[bit / 8] ^= 1 << (bit % 8);
            let changed = read(&hex::encode(digest)).unwrap();

            assert_eq!(changed.verify(&token, body), Err(SignatureError::Wrong), "bit {bit}");
        }
    }
}

#[test]
fn truncated_or_extended_body_is_refused() {
    let (token, body, signature) = VECTORS[4];
    let (token, signature) = (secret(token), read(signature).unwrap());

    let verdicts =
        [&body[..body.len() - 1], &[body, b"\n"].concat(), b""].map(|b| signature.verify(&token, b));

    assert_eq!(verdicts, [Err(SignatureError::Wrong); 3]);
}

#[test]
fn signature_with_the_token_of_another_tenant_is_refused() {
    let (_, body, signature) = VECTORS[0];

    let verdict = read(signature).unwrap().verify(&secret(VECTORS[1].0), body);

    assert_eq!(verdict, Err(SignatureError::Wrong));
}

#[test]
fn header_must_occur_once_with_64_hexadecimal_digits() {
    let digits = VECTORS[0].2;
    let twice = head("POST", "/", &[(HEADER, digits), (HEADER, digits)]);

    assert_eq!(Signature::from_head(&head("POST", "/", &[])).err(), Some(SignatureError::Missing));
    assert_eq!(Signature::from_head(&twice).err(), Some(SignatureError::Repeated));
    let (joined, prefixed) = (format!("{digits}, {digits}"), format!("sha256={digits}"));
    for value in ["", &digits[1..], &format!("{digits}0"), &digits.replace('a', "g"), &joined, &prefixed] {
        assert_eq!(read(value).err(), Some(SignatureError::Malformed), "{value}");
    }
}

proptest! {
    #[test]
    fn parsing_any_header_does_not_panic(value in any::<Vec<u8>>(), token in any::<String>(), body in any::<Vec<u8>>()) {
        let Ok(value) = http::HeaderValue::from_bytes(&value) else { return Ok(()) };
        let mut head = head("POST", "/", &[]);
        head.append_header(HEADER, value).unwrap();

        if let Ok(signature) = Signature::from_head(&head) {
            let _ = signature.verify(&secret(&token), &body);
        }
    }

    #[test]
    fn random_signatures_are_refused(digest in any::<[u8; 32]>()) {
        let (token, body, _) = VECTORS[0];
        let verdict = read(&hex::encode(digest)).unwrap().verify(&secret(token), body);

        assert_eq!(verdict, Err(SignatureError::Wrong));
    }
}
