//! Names of header fields that several rooms use.

/// The header field that carries a request's id: in responses, in requests to upstreams, and in deliveries to portals.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
