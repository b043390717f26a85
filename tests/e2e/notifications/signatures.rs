//! Verification of Onfido's signatures by a running gateway.

use kyc_sandbox::signature::sign;

use crate::support::raw;
use crate::support::world::{DIRECT, EVENT, World, routes, with};

/// A test vector: token, body, signature.
type Vector = (&'static str, Vec<u8>, &'static str);

fn vectors() -> Vec<Vector> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/webhook/tests/data/");
    let file = |name: &str| std::fs::read(format!("{data}{name}")).unwrap();
    let studio = "YKOC6mkBxi6yK2zlUIrLMvsJMFEZObP5";
    vec![
        (
            "_ABC123abc123ABC123abc123ABC123_",
            br#"{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"check-123","status":"complete","completed_at_iso8601":"2020-01-01T00:00:00Z","href":"https://api.onfido.com/v3/checks/check-123"}}}"#.to_vec(),
            "a0082d7481f9f0a2907583dbe1f344d6d4c0d9989df2fd804f98479f60cd760e",
        ),
        (
            "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh",
            br#"{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"f2302f45-227d-413d-ad61-09ec077a086a","status":"complete","completed_at_iso8601":"2024-04-04T09:21:21Z","href":"https://api.onfido.com/v3.6/checks/f2302f45-227d-413d-ad61-09ec077a086a"}}}"#.to_vec(),
            "77ebc3e418f26be6eebb47f7ebe551321de26734fc273961e075fc9ab163d9c7",
        ),
        (
            studio,
            br#"{"payload":{"resource_type":"workflow_task","action":"workflow_task.started","object":{"id":"profile_1eb92","task_spec_id":"profile_1eb92","task_def_id":"profile_data","workflow_run_id":"bc77c6e5-753a-4580-96a6-aaed3e5a8d19","status":"started","started_at_iso8601":"2024-07-10T12:49:09Z","href":"https://api.eu.onfido.com/v3.6/workflow_runs/bc77c6e5-753a-4580-96a6-aaed3e5a8d19/tasks/profile_1eb92"},"resource":{"created_at":"2024-07-10T12:49:09Z","id":"profile_1eb92","workflow_run_id":"bc77c6e5-753a-4580-96a6-aaed3e5a8d19","updated_at":"2024-07-10T12:49:09Z","input":{},"task_def_version":null,"task_def_id":"profile_data","output":null}}}"#.to_vec(),
            "c95a5b785484f6fa1bc25f381b5595d66bf85cb442eefb06aa007802ee6a4dfa",
        ),
        (studio, file("object.json"), "e3e5565647f5ccf07b2fd8ac22eab94a0a0619413d981fb768295c820523f7d7"),
        (studio, file("list.json"), "f3a5170acfcecf8c1bf6d9cb9995c0d9dec941af83056a721530f8de7af2c293"),
        (
            "ileDMrEn29YPQqZBZi8HJ-e33nqXMrtx",
            br#"{"payload":{"resource_type":"check","action":"check.started","object":{"id":"08f64599-e484-4870-8227-b4a52861a656","status":"in_progress","completed_at_iso8601":"2021-02-19T16:30:03Z","href":"https://api.onfido.com/v3/checks/08f64599-e484-4870-8227-b4a52861a656"}}}"#.to_vec(),
            "bac836ffcc32856bcf70deb77dd63e432ab13e4d940751db927795f616c85352",
        ),
        (
            "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh",
            br#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"b1a5ae30-2c2c-4a4c-9d4d-6a4a0a1c4f10","status":"complete","completed_at_iso8601":"2024-04-04T09:21:21Z","href":"https://api.eu.onfido.com/v3.2/reports/b1a5ae30-2c2c-4a4c-9d4d-6a4a0a1c4f10"}}}"#.to_vec(),
            "2bcf99c7af696a1d8cfb5480f6ec8a6c67194571b81f0b403b00dc6355554f00",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_of_the_official_test_vectors_are_accepted() {
    for (token, body, signature) in vectors() {
        let world =
            World::start_with(&routes("events = [\"*\"]"), |entry| with(entry, "webhookToken", token)).await;

        let lower = world.post("globex", &body, signature).await.status().as_u16();
        let upper = world.post("globex", &body, &signature.to_uppercase()).await.status().as_u16();

        assert_eq!((lower, upper), (200, 200), "{signature}");
        world.globex.deliveries().wait_for_count(1).await.unwrap();
        world.globex.deliveries().inspect(|taken| assert_eq!(taken[0].event, body));
        world.gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_notification_is_refused_before_its_body_is_read() {
    let world = World::start("").await;
    let head = "POST /dcs/kyc2/webhook/notify/acme HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";

    let answer = raw::send(world.gateway.address(), head.as_bytes()).await;

    assert_eq!(raw::status(&answer), 401);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_body_that_is_not_an_event_is_rejected_with_400() {
    let world =
        World::start_with(&routes(DIRECT), |entry| with(entry, "webhookToken", "very_secret_token")).await;
    let vector = "89e60408fec20bfb26bb0f993d5e88307818982f50f23b361a00d679bae8b1dc";

    let official = world.post("acme", br#"{"foo":"bar"}"#, vector).await.status().as_u16();
    let broken = r#"{"payload":{"resource_type":"check"}"#;
    let broken = world.post("acme", broken.as_bytes(), &sign("very_secret_token", broken.as_bytes())).await;

    assert_eq!((official, broken.status().as_u16()), (400, 400));
    assert!(world.acme.deliveries().is_empty());
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_one_bit_change_is_rejected_with_401() {
    let world = World::start(&routes(DIRECT)).await;
    let body = EVENT.as_bytes().to_vec();
    let signature = sign("sign-acme", &body);
    assert_eq!(world.post("acme", &body, &signature).await.status(), 200);
    let client = reqwest::Client::new();
    let url = world.gateway.url("/dcs/kyc2/webhook/notify/acme");
    let post = |body: Vec<u8>, signature: http::HeaderValue| {
        client
            .post(&url)
            .header("Content-Type", "application/json")
            .header("X-SHA2-Signature", signature)
            .body(body)
            .send()
    };

    let mut passed = Vec::new();
    for bit in 0..body.len() * 8 {
        let mut changed = body.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if post(changed, signature.parse().unwrap()).await.unwrap().status() != 401 {
            passed.push(format!("body bit {bit}"));
        }
    }
    for bit in 0..signature.len() * 8 {
        let mut changed = signature.clone().into_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        // A hex digit in the other case is equal; some bytes cannot be sent in a header.
        let same = changed.eq_ignore_ascii_case(signature.as_bytes());
        let Ok(value) = http::HeaderValue::from_bytes(&changed) else { continue };
        let status = post(body.clone(), value).await.unwrap().status().as_u16();
        // A byte that is not text is refused earlier, with 400 or 401.
        if !same && ![400, 401].contains(&status) {
            passed.push(format!("signature bit {bit}: {status}"));
        }
    }

    assert_eq!(passed, Vec::<String>::new());
    assert_eq!(world.acme.deliveries().len(), 1 + same_case_deliveries(&signature));
    world.gateway.stop().await;
}

/// The number of one-bit changes of a signature that change only the case of a digit.
fn same_case_deliveries(signature: &str) -> usize {
    signature.bytes().filter(u8::is_ascii_alphabetic).count()
}
