//! Changes of the secret by check-and-set.

use crate::source::write::{WritableSource, WriteError};

use super::*;

async fn post(vault: &MockServer, status: u16, body: Value) -> Mock<'_> {
    let written = json!({ "options": { "cas": 7 }, "data": { "Onfido-ApiTokens": "[]" } });
    vault
        .mock_async(|when, then| {
            when.method("POST").path(V2_PATH).header("X-Vault-Token", "first").json_body(written);
            then.status(status).json_body(body);
        })
        .await
}

fn metadata(version: u64) -> Value {
    let state = json!({ "created_time": CREATED, "deletion_time": "", "destroyed": false });
    answer(&json!({ "current_version": version, "versions": { version.to_string(): state } }))
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

const AFTER: &str = "{\"Onfido-ApiTokens\":\"[]\"}";

/// Version 7 of the secret, read by a new source.
async fn read(folder: &Folder, vault: &MockServer) -> (VaultSource, Secret) {
    let mut source = folder.token_source(vault, KvVersion::V2);
    let before = source.read().await.unwrap();
    (source, before)
}

async fn version_7(vault: &MockServer) -> Mock<'_> {
    let found = json!({ "data": fields(), "metadata": { "version": 7, "created_time": CREATED } });
    get(vault, V2_PATH, 200, answer(&found)).await
}

#[tokio::test]
async fn document_is_written_behind_the_version_that_was_read() {
    let (vault, folder) = (start().await, Folder::new());
    let _read = version_7(&vault).await;
    let written = post(&vault, 200, answer(&json!({ "created_time": CREATED, "deletion_time": "", "custom_metadata": null, "destroyed": false, "version": 8 }))).await;
    let (mut source, before) = read(&folder, &vault).await;

    source.replace(&before, &secret(AFTER)).await.unwrap();

    assert_eq!(written.calls_async().await, 1);
}

#[tokio::test]
async fn refusal_with_400_is_a_conflict_if_another_version_is_current() {
    for (current, is_conflict) in [(8, true), (7, false)] {
        let (vault, folder) = (start().await, Folder::new());
        let _read = version_7(&vault).await;
        let _written =
            post(&vault, 400, json!({ "errors": ["check-and-set parameter did not match"] })).await;
        let _metadata = get(&vault, METADATA_PATH, 200, metadata(current)).await;
        let (mut source, before) = read(&folder, &vault).await;

        let error = source.replace(&before, &secret(AFTER)).await.unwrap_err();

        assert_eq!(matches!(error, WriteError::Conflict), is_conflict, "{current}: {error}");
    }
}

#[tokio::test]
async fn secret_of_an_engine_without_check_and_set_is_not_written() {
    let (vault, folder) = (start().await, Folder::new());
    let _read = get(&vault, V1_PATH, 200, answer(&fields())).await;
    let mut source = folder.token_source(&vault, KvVersion::V1);
    let before = source.read().await.unwrap();

    let error = source.replace(&before, &secret(AFTER)).await.unwrap_err();

    assert!(matches!(error, WriteError::NoCheckAndSet), "{error}");
}

#[tokio::test]
async fn document_whose_numbers_would_be_rounded_is_not_written() {
    let (vault, folder) = (start().await, Folder::new());
    let _read = version_7(&vault).await;
    let (mut source, before) = read(&folder, &vault).await;
    for (after, is_rounded) in [("{\"a\":[123456789012345678901]}", true), ("[]", false), ("canary", false)] {
        let error = source.replace(&before, &secret(after)).await.unwrap_err();

        assert_eq!(matches!(error, WriteError::Number), is_rounded, "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

/// A gateway timeout of a proxy says nothing about the write behind it.
#[tokio::test]
async fn write_without_a_response_of_vault_is_uncertain_and_a_denied_one_is_not() {
    let (vault, folder) = (start().await, Folder::new());
    let _read = version_7(&vault).await;
    for (status, is_uncertain) in [(504, true), (500, true), (403, false), (413, false)] {
        let answer = vault
            .mock_async(|when, then| {
                when.method("POST").path(V2_PATH);
                then.status(status);
            })
            .await;
        let (mut source, before) = read(&folder, &vault).await;

        let error = source.replace(&before, &secret(AFTER)).await.unwrap_err();
        answer.delete_async().await;

        assert_eq!(matches!(error, WriteError::Uncertain(_)), is_uncertain, "{status}: {error}");
    }
}

/// The document stays: the write is for a version that no secret has, which Vault looks at after the policy.
#[tokio::test]
async fn right_to_write_is_proved_by_a_write_that_no_version_matches() {
    let (vault, folder) = (start().await, Folder::new());
    let _read = version_7(&vault).await;
    for (status, is_allowed) in [(400, true), (403, false), (503, false)] {
        let answer = vault
            .mock_async(|when, then| {
                when.method("POST").path(V2_PATH).json_body_includes("{\"options\":{\"cas\":4294967295}}");
                then.status(status);
            })
            .await;
        let (mut source, before) = read(&folder, &vault).await;

        let proved = source.prove_writable(&before).await;
        let asked = answer.calls_async().await;
        answer.delete_async().await;

        assert_eq!((proved.is_ok(), asked), (is_allowed, 1), "{status}: {proved:?}");
    }
}

const CREATED: &str = "2026-11-24T09:34:44Z";
