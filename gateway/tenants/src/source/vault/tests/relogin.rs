//! Logins are made when needed, and again when refused.

use super::*;

#[tokio::test]
async fn rotated_token_file_is_read_again_after_403() {
    let vault = start().await;
    let old = get_as(&vault, "first", 200, answer(&version_2(&fields()))).await;
    let room = Room::new();
    let mut source = room.token_source(&vault, KvVersion::V2);
    source.read().await.unwrap();
    old.delete_async().await;
    let expired = get_as(&vault, "first", 403, denied()).await;
    let rotated = get_as(&vault, "second", 200, answer(&version_2(&fields()))).await;
    room.write("token", " second\n");

    let document = source.read().await.unwrap();

    assert_eq!(document.reveal(), FIELDS_TEXT);
    assert_eq!((expired.calls_async().await, rotated.calls_async().await), (1, 1));
}

#[tokio::test]
async fn login_made_a_moment_ago_is_not_made_twice() {
    let vault = start().await;
    let denied = get_as(&vault, "first", 403, denied()).await;
    let room = Room::new();

    let error = room.token_source(&vault, KvVersion::V2).read().await.unwrap_err();

    assert!(matches!(error, SourceError::Vault(VaultError::Denied)));
    assert_eq!(denied.calls_async().await, 1);
}

#[tokio::test]
async fn approle_logs_in_once_and_again_after_403() {
    let vault = start().await;
    let login = approle(&vault, "secret-1", "token-1").await;
    let read = get_as(&vault, "token-1", 200, answer(&version_2(&fields()))).await;
    let room = Room::new();
    room.write("secret_id", "secret-1\n");
    let mut source = room.approle_source(&vault);
    source.read().await.unwrap();
    source.read().await.unwrap();
    assert_eq!((login.calls_async().await, read.calls_async().await), (1, 2));
    read.delete_async().await;
    let _expired = get_as(&vault, "token-1", 403, denied()).await;
    let again = approle(&vault, "secret-2", "token-2").await;
    let _read = get_as(&vault, "token-2", 200, answer(&version_2(&fields()))).await;
    room.write("secret_id", "secret-2\n");

    let document = source.read().await.unwrap();

    assert_eq!(document.reveal(), FIELDS_TEXT);
    assert_eq!(again.calls_async().await, 1);
}

#[tokio::test]
async fn refused_login_tells_the_status_and_no_secret() {
    let vault = start().await;
    let body = json!({"errors": ["invalid role or secret ID canary"]});
    let _login = vault
        .mock_async(|when, then| {
            when.method("POST").path(LOGIN_PATH);
            then.status(400).json_body(body);
        })
        .await;
    let room = Room::new();
    room.write("secret_id", "canary");
    let mut source = room.approle_source(&vault);

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
    let room = Room::new();
    let settings =
        VaultSettings { namespace: Some("team/kyc".to_owned()), ..room.settings(&vault, KvVersion::V2) };

    let document = VaultSource::new(settings).unwrap().read().await.unwrap();

    assert_eq!(document.reveal(), FIELDS_TEXT);
}

#[tokio::test]
async fn unusable_token_or_secret_is_told_without_being_shown() {
    let vault = start().await;
    let room = Room::new();
    let mut source = room.token_source(&vault, KvVersion::V2);

    room.write("token", "canary\ncanary");
    let garbled = source.read().await.unwrap_err();
    room.write("token", " ");
    let empty = source.read().await.unwrap_err();

    assert_eq!(garbled.to_string(), "vault: the token has characters that no header may carry");
    assert!(!format!("{garbled:?}").contains("canary"));
    assert_eq!(empty.to_string(), "vault: token cannot be read");
}

#[tokio::test(start_paused = true)]
async fn login_is_due_again_at_two_thirds_of_its_life() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let connection = Connection::new("http://127.0.0.1:1", None, None, Duration::from_secs(1)).unwrap();
    let session =
        |life| Session::granted(&connection, serde_json::from_value(granted("t", life)).unwrap()).unwrap();
    let (short, endless) = (session(90), session(0));

    tokio::time::advance(Duration::from_secs(59)).await;
    let before = (short.is_fresh(), endless.is_fresh());
    tokio::time::advance(Duration::from_secs(1)).await;
    let after = (short.is_fresh(), endless.is_fresh());

    assert_eq!((before, after), ((true, true), (false, true)));
}
