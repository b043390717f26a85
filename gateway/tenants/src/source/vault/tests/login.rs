//! Logins, renewals, and new logins after a refusal.

use super::*;

#[tokio::test]
async fn token_file_is_read_again_after_403() {
    let vault = start().await;
    let old = get_as(&vault, "first", 200, answer(&version_2(&fields()))).await;
    let folder = Folder::new();
    let mut source = folder.token_source(&vault, KvVersion::V2);
    source.read().await.unwrap();
    old.delete_async().await;
    let expired = get_as(&vault, "first", 403, denied()).await;
    let rotated = get_as(&vault, "second", 200, answer(&version_2(&fields()))).await;
    folder.write("token", " second\n");

    let document = source.read().await.unwrap();

    assert_eq!(document.reveal(), FIELDS_TEXT);
    assert_eq!((expired.calls_async().await, rotated.calls_async().await), (1, 1));
}

#[tokio::test]
async fn denied_read_after_a_fresh_login_is_not_repeated() {
    let vault = start().await;
    let denied = get_as(&vault, "first", 403, denied()).await;
    let folder = Folder::new();

    let error = folder.token_source(&vault, KvVersion::V2).read().await.unwrap_err();

    assert!(matches!(error, SourceError::Vault(VaultError::Denied)));
    assert_eq!(denied.calls_async().await, 1);
}

#[tokio::test]
async fn approle_logs_in_once_and_again_after_403() {
    let vault = start().await;
    let login = approle(&vault, "secret-1", "token-1").await;
    let read = get_as(&vault, "token-1", 200, answer(&version_2(&fields()))).await;
    let folder = Folder::new();
    folder.write("secret_id", "secret-1\n");
    let mut source = folder.approle_source(&vault);
    source.read().await.unwrap();
    source.read().await.unwrap();
    assert_eq!((login.calls_async().await, read.calls_async().await), (1, 2));
    read.delete_async().await;
    let _expired = get_as(&vault, "token-1", 403, denied()).await;
    let again = approle(&vault, "secret-2", "token-2").await;
    let _read = get_as(&vault, "token-2", 200, answer(&version_2(&fields()))).await;
    folder.write("secret_id", "secret-2\n");

    let document = source.read().await.unwrap();

    assert_eq!(document.reveal(), FIELDS_TEXT);
    assert_eq!(again.calls_async().await, 1);
}

#[tokio::test]
async fn error_of_a_refused_login_contains_the_status_and_no_secret() {
    let vault = start().await;
    let body = json!({"errors": ["invalid role or secret ID canary"]});
    let _login = vault
        .mock_async(|when, then| {
            when.method("POST").path(LOGIN_PATH);
            then.status(400).json_body(body);
        })
        .await;
    let folder = Folder::new();
    folder.write("secret_id", "canary");
    let mut source = folder.approle_source(&vault);

    let error = source.read().await.unwrap_err();

    assert_eq!(error.to_string(), "vault refused the login with status 400");
    assert!(!format!("{error:?} {source:?}").contains("canary"));
}

#[tokio::test]
async fn namespace_is_sent() {
    let vault = start().await;
    let _read = vault
        .mock_async(|when, then| {
            when.path(V2_PATH).header("X-Vault-Namespace", "team/kyc").header("X-Vault-Token", "first");
            then.status(200).json_body(answer(&version_2(&fields())));
        })
        .await;
    let folder = Folder::new();
    let settings =
        VaultSettings { namespace: Some("team/kyc".to_owned()), ..folder.settings(&vault, KvVersion::V2) };

    let document = VaultSource::new(settings).unwrap().read().await.unwrap();

    assert_eq!(document.reveal(), FIELDS_TEXT);
}

#[tokio::test]
async fn error_of_an_unusable_token_does_not_contain_the_token() {
    let vault = start().await;
    let folder = Folder::new();
    let mut source = folder.token_source(&vault, KvVersion::V2);

    folder.write("token", "canary\ncanary");
    let garbled = source.read().await.unwrap_err();
    folder.write("token", " ");
    let empty = source.read().await.unwrap_err();

    assert_eq!(garbled.to_string(), "vault: the token has characters that are not allowed in a header");
    assert!(!format!("{garbled:?}").contains("canary"));
    assert_eq!(empty.to_string(), "vault: token cannot be read");
}

#[tokio::test(start_paused = true)]
async fn renewal_is_due_after_two_thirds_of_the_lifetime() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let connection =
        Connection::new("http://127.0.0.1:1", None, None, Duration::from_secs(1), Cleartext::Local).unwrap();
    let session = |life| {
        let granted = serde_json::from_value(granted("t", life)).unwrap();
        Session::from_login(&connection, granted, None).unwrap()
    };
    let (mut short, mut endless) = (session(90), session(0));

    tokio::time::advance(Duration::from_secs(59)).await;
    let before = short.renewal_due();
    let at_59 = [short.renew_if_due().await, endless.renew_if_due().await];
    tokio::time::advance(Duration::from_secs(1)).await;
    // The renewal fails because no server answers; the token stays valid.
    let at_60 = [short.renew_if_due().await, endless.renew_if_due().await];
    let postponed = short.renewal_due();
    tokio::time::advance(Duration::from_secs(30)).await;
    let at_90 = [short.renew_if_due().await, endless.renew_if_due().await];

    assert_eq!([at_59, at_60], [[TokenState::Valid; 2]; 2]);
    assert_eq!(at_90, [TokenState::Expired, TokenState::Valid]);
    assert!(before < postponed);
}

#[tokio::test]
async fn token_is_renewed_before_a_new_login() {
    let vault = start().await;
    let renewal = json!({
        "request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "data": null,
        "wrap_info": null, "warnings": null, "auth": granted("t", 3),
    });
    let renew = vault
        .mock_async(|when, then| {
            when.method("POST").path("/v1/auth/token/renew-self").header("X-Vault-Token", "t");
            then.status(200).json_body(renewal);
        })
        .await;
    let address = format!("http://{}", vault.address());
    let connection =
        Connection::new(&address, None, None, Duration::from_secs(10), Cleartext::Local).unwrap();
    let session = |life| {
        let granted = serde_json::from_value(granted("t", life)).unwrap();
        Session::from_login(&connection, granted, None).unwrap()
    };
    let (mut with_full_renewal, mut near_max_ttl) = (session(3), session(90));

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(with_full_renewal.renew_if_due().await, TokenState::Valid);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    tokio::time::resume();
    assert_eq!(near_max_ttl.renew_if_due().await, TokenState::Valid);

    assert_eq!(renew.calls_async().await, 2);
    assert!(with_full_renewal.renewal_due() < near_max_ttl.renewal_due());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    // The renewal granted three seconds of ninety, so the token is near its maximum TTL and a new login is due.
    assert_eq!(near_max_ttl.renew_if_due().await, TokenState::Ending);
}

#[tokio::test]
async fn unchanged_version_is_detected_without_reading_the_secret() {
    let vault = start().await;
    let read = get_as(&vault, "first", 200, answer(&version_2(&fields()))).await;
    let made = "2026-11-24T09:34:44Z";
    let metadata = |newest: u64, created: &str, deleted: &str| {
        let state = json!({"created_time": created, "deletion_time": deleted, "destroyed": false});
        answer(&json!({"current_version": newest, "versions": {newest.to_string(): state}}))
    };
    let folder = Folder::new();
    let mut source = folder.token_source(&vault, KvVersion::V2);
    assert!(!source.is_unchanged().await.unwrap(), "nothing was read yet");
    source.read().await.unwrap();

    let mut found = Vec::new();
    for (status, body) in [
        (200, metadata(3, made, "")),
        (200, metadata(4, made, "")),
        // The secret was deleted with its history and written three times again.
        (200, metadata(3, "2026-11-24T11:00:00Z", "")),
        (200, metadata(3, made, "2026-11-24T10:00:00Z")),
        (403, denied()),
        (200, metadata(3, made, "")),
    ] {
        let mock = get(&vault, METADATA_PATH, status, body).await;
        found.push(source.is_unchanged().await.unwrap());
        mock.delete_async().await;
    }

    // After the metadata was denied once, the last response is not requested.
    assert_eq!(found, [true, false, false, false, false, false]);
    assert_eq!(read.calls_async().await, 1);
}
