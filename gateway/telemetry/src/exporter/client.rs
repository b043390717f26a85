//! The HTTP client of collectors.

use std::time::Duration;

use bytes::Bytes;
use kyc_http_client::{ClientError, ClientSettings, Trust, read_at_most};
use reqwest::{Client, Response};

/// Builds the HTTP client for collectors. Opens no connection.
pub(crate) fn client() -> Result<Client, ClientError> {
    ClientSettings { whole: Some(CALL_TIMEOUT), ..ClientSettings::new(CONNECT_TIMEOUT, Trust::System) }
        .build()
}

/// Reads the body of a collector's response, at most 64 KiB.
pub(crate) async fn read_bounded(response: Response) -> Result<Bytes, reqwest::Error> {
    read_at_most(response, MAX_RESPONSE_BYTES).await
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
