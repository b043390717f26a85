//! The HTTP client of collectors.

use std::time::Duration;

use bytes::Bytes;
use kyc_http_client::{ClientError, ClientSettings, Trust, read_at_most};
use reqwest::{Client, Response};

/// Prepares a client for collectors; opens no connection.
pub(crate) fn client() -> Result<Client, ClientError> {
    ClientSettings { whole: Some(WHOLE), ..ClientSettings::new(CONNECT, Trust::System) }.build()
}

/// Reads what a collector has to say, but no more than that.
pub(crate) async fn read_some(response: Response) -> Result<Bytes, reqwest::Error> {
    read_at_most(response, ANSWER_LIMIT).await
}

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 64 * 1024;
