//! Shared test support: peers of all kinds, and the cryptography provider.

pub(crate) mod bao;
pub(crate) mod gateway;
pub(crate) mod methods;
pub(crate) mod oauth;
mod process;
pub(crate) mod provider;
pub(crate) mod raw;
pub(crate) mod scripted;
pub(crate) mod upstream;
pub(crate) mod wayward;
pub(crate) mod world;

pub(crate) use kyc_harness::certificates::install_crypto_provider;
pub(crate) use kyc_harness::frames;

/// Polls until there is a result, for at most a minute.
pub(crate) async fn soon<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asking).await.expect("not seen within a minute")
}
