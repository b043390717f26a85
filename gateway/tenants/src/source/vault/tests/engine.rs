//! Detection of the engine's version, and absent secrets.

use super::*;

#[tokio::test]
async fn version_2_is_detected_from_the_mount_and_kept() {
    let vault = start().await;
    let asked = mount(&vault, json!({"type": "kv", "options": {"version": "2"}})).await;
    let read = get(&vault, V2_PATH, 200, answer(&version_2(&fields()))).await;
    let folder = Folder::new();
    let mut source = folder.token_source(&vault, KvVersion::Auto);

    let first = source.read().await.unwrap();
    let second = source.read().await.unwrap();

    assert_eq!((first.reveal(), second.reveal()), (FIELDS_TEXT, FIELDS_TEXT));
    assert_eq!((asked.calls_async().await, read.calls_async().await), (1, 2));
    assert_eq!(source.describe(), "vault secret kv/dcs/kyc-onfido");
}

#[tokio::test]
async fn version_1_is_detected_from_the_mount() {
    for engine in [json!({"type": "kv", "options": {"version": "1"}}), json!({"type": "kv", "options": null})]
    {
        let vault = start().await;
        let _asked = mount(&vault, engine).await;
        let _read = get(&vault, V1_PATH, 200, answer(&fields())).await;
        let folder = Folder::new();

        let document = folder.token_source(&vault, KvVersion::Auto).read().await.unwrap();

        assert_eq!(document.reveal(), FIELDS_TEXT);
    }
}

#[tokio::test]
async fn version_is_detected_by_reading_when_the_mount_is_denied() {
    for (path, data) in [(V2_PATH, version_2(&fields())), (V1_PATH, fields())] {
        for other in [403, 404] {
            let vault = start().await;
            let asked = get(&vault, MOUNT_PATH, 403, denied()).await;
            let _read = get(&vault, path, 200, answer(&data)).await;
            let _other = get(&vault, if path == V2_PATH { V1_PATH } else { V2_PATH }, other, denied()).await;
            let folder = Folder::new();
            let mut source = folder.token_source(&vault, KvVersion::Auto);

            let documents = [source.read().await.unwrap(), source.read().await.unwrap()];

            assert!(documents.iter().all(|document| document.reveal() == FIELDS_TEXT));
            assert_eq!(asked.calls_async().await, 1);
        }
    }
}

#[tokio::test]
async fn version_1_secret_below_data_is_not_mistaken_for_version_2() {
    let vault = start().await;
    let _asked = get(&vault, MOUNT_PATH, 403, denied()).await;
    let _lookalike = get(&vault, V2_PATH, 200, answer(&json!({"data": {"wrong": "one"}}))).await;
    let _read = get(&vault, V1_PATH, 200, answer(&fields())).await;
    let folder = Folder::new();

    let document = folder.token_source(&vault, KvVersion::Auto).read().await.unwrap();

    assert_eq!(document.reveal(), FIELDS_TEXT);
}

#[tokio::test]
async fn configured_version_is_not_detected() {
    let vault = start().await;
    let asked = mount(&vault, json!({})).await;
    let _second = get(&vault, V2_PATH, 200, answer(&version_2(&json!({"from": "v2"})))).await;
    let _first = get(&vault, V1_PATH, 200, answer(&json!({"from": "v1"}))).await;
    let folder = Folder::new();

    let first = folder.token_source(&vault, KvVersion::V1).read().await.unwrap();
    let second = folder.token_source(&vault, KvVersion::V2).read().await.unwrap();

    assert_eq!((first.reveal(), second.reveal()), (r#"{"from":"v1"}"#, r#"{"from":"v2"}"#));
    assert_eq!(asked.calls_async().await, 0);
}

#[tokio::test]
async fn version_is_detected_again_after_an_upgrade_of_the_engine() {
    let vault = start().await;
    let asked = mount(&vault, json!({"type": "kv", "options": {"version": "1"}})).await;
    let read = get(&vault, V1_PATH, 200, answer(&fields())).await;
    let folder = Folder::new();
    let mut source = folder.token_source(&vault, KvVersion::Auto);
    source.read().await.unwrap();
    asked.delete_async().await;
    read.delete_async().await;
    let _asked = mount(&vault, json!({"type": "kv", "options": {"version": "2"}})).await;
    let _read = get(&vault, V2_PATH, 200, answer(&version_2(&json!({"upgraded": "yes"})))).await;
    let _gone = get(&vault, V1_PATH, 404, answer(&json!(null))).await;

    let during = source.read().await;
    let after = source.read().await.unwrap();

    assert!(during.is_err());
    assert_eq!(after.reveal(), r#"{"upgraded":"yes"}"#);
}

#[tokio::test]
async fn absent_or_deleted_secret_is_an_error() {
    let deleted = json!({"data": null, "metadata": {"deletion_time": "2026-11-24T09:34:44Z", "version": 1}});
    let rows = [
        ("never written", 404, json!({"errors": []})),
        ("deleted", 404, answer(&deleted)),
        ("deleted, status lost", 200, answer(&deleted)),
    ];

    for (row, status, body) in rows {
        for version in [KvVersion::Auto, KvVersion::V2] {
            let vault = start().await;
            let _asked = mount(&vault, json!({"type": "kv", "options": {"version": "2"}})).await;
            let _read = get(&vault, V2_PATH, status, body.clone()).await;
            let folder = Folder::new();

            let error = folder.token_source(&vault, version).read().await.unwrap_err();

            assert_eq!(error.to_string(), "the vault secret does not exist or is deleted (404)", "{row}");
        }
    }
}

#[tokio::test]
async fn absent_secret_is_reported_when_the_policy_grants_one_path_only() {
    for (path, other) in [(V2_PATH, V1_PATH), (V1_PATH, V2_PATH)] {
        let vault = start().await;
        let _asked = get(&vault, MOUNT_PATH, 403, denied()).await;
        let _absent = get(&vault, path, 404, json!({"errors": []})).await;
        let _denied = get(&vault, other, 403, denied()).await;
        let folder = Folder::new();

        let error = folder.token_source(&vault, KvVersion::Auto).read().await.unwrap_err();

        assert!(matches!(error, SourceError::Vault(VaultError::NotFound)), "{error}");
    }
}
