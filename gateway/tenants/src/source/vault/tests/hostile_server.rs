//! Protection against a malicious or misconfigured Vault or identity service.
//!
//! Regression: the client of `vaultrs` followed redirects with `X-Vault-Token` and with the secret id, and read responses of
//! any length. A load balancer in front of Vault could send both secrets to another host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn redirect_sends_neither_the_token_nor_the_secret_id_to_another_host() {
    let (vault, other) = (start().await, start().await);
    let received = everything(&other).await;
    let target = format!("http://{}", other.address());
    let _redirects = redirect_all(&vault, &target).await;
    let folder = Folder::new();
    folder.write("secret_id", "canary\n");

    let by_token = folder.token_source(&vault, KvVersion::V2).read().await.unwrap_err();
    let by_approle = folder.approle_source(&vault).read().await.unwrap_err();

    for error in [by_token, by_approle] {
        let text = error.to_string();
        assert!(text.starts_with("vault answered with status 307: redirects are not followed"), "{text}");
        assert!(!text.contains(&target), "{text}");
    }
    assert_eq!(received.calls_async().await, 0);
}

#[tokio::test]
async fn redirect_of_the_identity_service_is_not_followed() {
    let (vault, machine, other) = (start().await, start().await, start().await);
    let received = everything(&other).await;
    let _redirects = redirect_all(&machine, &format!("http://{}", other.address())).await;
    let folder = Folder::new();
    let settings = azure(&folder, &vault, &machine.address().to_string());

    let error = VaultSource::new(settings).unwrap().read().await.unwrap_err();

    assert_eq!(
        error.to_string(),
        "vault: cannot get a token from the machine's identity service: it answered with status 307"
    );
    assert_eq!(received.calls_async().await, 0);
}

#[tokio::test]
async fn endless_response_is_aborted_at_a_limit() {
    const MIB: usize = 1024 * 1024;
    let vault = start().await;
    let folder = Folder::new();
    let (endless, sent) = endless().await;
    let address = format!("http://{endless}");
    let settings = VaultSettings { address, ..folder.settings(&vault, KvVersion::V2) };

    let of_vault = VaultSource::new(settings).unwrap().read().await.unwrap_err().to_string();
    let by_vault = sent.swap(0, Ordering::Relaxed);
    let settings = azure(&folder, &vault, &endless.to_string());
    let of_azure = VaultSource::new(settings).unwrap().read().await.unwrap_err().to_string();
    let by_azure = sent.load(Ordering::Relaxed);

    assert!(of_vault.ends_with("the response is larger than 33554432 bytes"), "{of_vault}");
    assert!(of_azure.ends_with("the response is larger than 1048576 bytes"), "{of_azure}");
    // The bounds are higher than the limits by the size of the system's socket buffers.
    assert!(by_vault < 48 * MIB && by_azure < 17 * MIB, "{by_vault} and {by_azure} bytes were read");
}

fn azure(folder: &Folder, vault: &MockServer, endpoint: &str) -> VaultSettings {
    let identity = AzureIdentity {
        endpoint: format!("http://{endpoint}"),
        resource: "https://management.azure.com/".to_owned(),
        client_id: None,
    };
    let auth = VaultAuth::Azure { mount: "azure".to_owned(), role: "kyc".to_owned(), identity };
    VaultSettings { auth, ..folder.settings(vault, KvVersion::V2) }
}

async fn everything(server: &MockServer) -> Mock<'_> {
    server
        .mock_async(|when, then| {
            when.path_matches(".*");
            then.status(200);
        })
        .await
}

async fn redirect_all<'a>(server: &'a MockServer, target: &str) -> Mock<'a> {
    server
        .mock_async(|when, then| {
            when.path_matches(".*");
            then.status(307).header("Location", target);
        })
        .await
}

/// Starts a server that answers every request with an endless body, and counts the bytes that it sent.
async fn endless() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\"";
            let mut more = stream.write_all(head).await;
            while more.is_ok() {
                more = stream.write_all(&[b'x'; 65536]).await;
                count.fetch_add(65536, Ordering::Relaxed);
            }
        }
    });
    (address, sent)
}
