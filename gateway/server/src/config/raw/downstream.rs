//! The section `downstream` of the file: the limits of a listener.

use std::time::Duration;

use bytesize::ByteSize;
use kyc_plugin_api::Forwarded;
use serde::{Deserialize, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Downstream {
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_source: Option<usize>,
    pub(crate) max_requests_per_connection: u32,
    pub(crate) http2_streams: u32,
    pub(crate) http2_resets: usize,
    pub(crate) http2_control_frames: u32,
    #[serde(with = "humantime_serde")]
    pub(crate) keepalive: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) head: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) read: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) write: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) body: Duration,
    #[serde(serialize_with = "as_bytes")]
    pub(crate) body_min_rate: ByteSize,
    #[serde(with = "humantime_serde")]
    pub(crate) body_grace: Duration,
    #[serde(serialize_with = "as_bytes")]
    pub(crate) min_rate: ByteSize,
    #[serde(serialize_with = "as_bytes")]
    pub(crate) buffered_bodies: ByteSize,
    #[serde(serialize_with = "as_bytes_or_none")]
    pub(crate) buffered_bodies_per_source: Option<ByteSize>,
    #[serde(serialize_with = "as_bytes_or_none")]
    pub(crate) buffered_bodies_per_tenant: Option<ByteSize>,
    pub(crate) forwarded: Option<Forwarded>,
}

// === defaults ===

impl Default for Downstream {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_source: None,
            max_requests_per_connection: 10_000,
            http2_streams: 100,
            http2_resets: 50,
            http2_control_frames: 1000,
            keepalive: Duration::from_secs(60),
            head: Duration::from_secs(10),
            read: Duration::from_secs(30),
            write: Duration::from_secs(30),
            body: Duration::from_secs(60),
            body_min_rate: ByteSize::kib(4),
            body_grace: Duration::from_secs(2),
            min_rate: ByteSize::b(500),
            buffered_bodies: ByteSize::mib(256),
            buffered_bodies_per_source: None,
            buffered_bodies_per_tenant: None,
            forwarded: None,
        }
    }
}

/// Serializes the number of bytes. The common limits are serialized before a listener's own limits override them, and the default
/// format of `ByteSize` rounds.
fn as_bytes<S: Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(size.as_u64())
}

#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
fn as_bytes_or_none<S: Serializer>(size: &Option<ByteSize>, serializer: S) -> Result<S::Ok, S::Error> {
    match size {
        Some(size) => serializer.serialize_some(&size.as_u64()),
        None => serializer.serialize_none(),
    }
}
