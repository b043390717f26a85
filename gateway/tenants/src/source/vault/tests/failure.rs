//! Error messages: each failure has its own, and none contains a secret.

use super::*;

#[tokio::test]
async fn errors_contain_nothing_of_the_response() {
    let rows = [
        (503, json!({"errors": ["canary"]}), "vault answered with status 503: sealed, or in standby"),
        (500, json!("canary"), "vault answered with status 500"),
        (
            403,
            json!({"errors": ["canary"]}),
            "vault denied access to the secret (403): the token is invalid, or none of its policies allows the path",
        ),
        (200, json!({"data": "canary"}), "vault's response is not a key-value secret"),
        (200, answer(&json!("canary")), "vault's response is not a key-value secret"),
        (200, answer(&version_2(&json!("canary"))), "vault's response is not a key-value secret"),
    ];

    for (status, body, message) in rows {
        let vault = start().await;
        let _read = get(&vault, V2_PATH, status, body).await;
        let folder = Folder::new();

        let error = folder.token_source(&vault, KvVersion::V2).read().await.unwrap_err();

        assert_eq!(error.to_string(), message);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn vault_that_does_not_respond_is_reported_as_unreachable() {
    let vault = start().await;
    let folder = Folder::new();
    // The operating system accepts the connection, and no response ever comes.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let timeout = Duration::from_millis(50);
    let at = address.clone();
    let settings = VaultSettings { address, timeout, ..folder.settings(&vault, KvVersion::Auto) };
    let mut source = VaultSource::new(settings).unwrap();

    let silent = source.read().await.unwrap_err().to_string();
    drop(listener);
    let absent = source.read().await.unwrap_err().to_string();

    for text in [silent, absent] {
        assert!(
            text.starts_with(&format!("vault cannot be reached at {at}: ")) && !text.contains("kyc-onfido"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn invalid_settings_are_refused_before_a_connection() {
    let vault = start().await;
    let folder = Folder::new();
    let good = || folder.settings(&vault, KvVersion::Auto);
    let approle = |mount: &str, role_id: &str| VaultAuth::AppRole {
        mount: mount.to_owned(),
        role_id: role_id.to_owned(),
        secret_id: SecretSource::Env("UNUSED".to_owned()),
        wrapped: false,
    };
    let azure = |endpoint: &str| VaultAuth::Azure {
        mount: "azure".to_owned(),
        role: "kyc".to_owned(),
        identity: AzureIdentity {
            endpoint: endpoint.to_owned(),
            resource: "https://management.azure.com/".to_owned(),
            client_id: None,
        },
    };
    let rows = [
        (VaultSettings { address: "vault:8200".to_owned(), ..good() }, "address"),
        (VaultSettings { address: "https://u:p@vault".to_owned(), ..good() }, "address"),
        (VaultSettings { address: "https://vault/prefix".to_owned(), ..good() }, "address"),
        (VaultSettings { address: "http://vault.example:8200".to_owned(), ..good() }, "address"),
        (VaultSettings { auth: azure("http://identity.example"), ..good() }, "azure_endpoint"),
        (VaultSettings { mount: "/".to_owned(), ..good() }, "mount"),
        (VaultSettings { mount: "k v".to_owned(), ..good() }, "mount"),
        (VaultSettings { path: "a/../b".to_owned(), ..good() }, "path"),
        (VaultSettings { path: "a?b".to_owned(), ..good() }, "path"),
        (VaultSettings { namespace: Some("a\nb".to_owned()), ..good() }, "namespace"),
        (VaultSettings { auth: approle("", "role"), ..good() }, "auth_mount"),
        (VaultSettings { auth: approle("approle", " "), ..good() }, "role_id"),
    ];

    for (settings, name) in rows {
        let error = VaultSource::new(settings).unwrap_err();

        assert!(error.to_string().starts_with(&format!("vault: {name} ")), "{error}");
    }
}

#[tokio::test]
async fn error_names_the_unreadable_ca_file() {
    let vault = start().await;
    let folder = Folder::new();
    let ca_file = folder.0.path().join("absent.pem");
    let settings = VaultSettings {
        address: "https://127.0.0.1:1".to_owned(),
        ca_file: Some(ca_file.clone()),
        ..folder.settings(&vault, KvVersion::Auto)
    };

    let error = VaultSource::new(settings).unwrap().read().await.unwrap_err();

    assert_eq!(error.to_string(), format!("vault: cannot use the certificates in {}", ca_file.display()));
}
