//! Calls to Onfido: requests, bodies and responses.

mod answers;
mod calls;
mod checks;
mod conformance;
mod expectations;
mod intermediary;
mod oauth;
mod relay;
mod started;
mod streaming;
mod third_party;
mod uploads;
mod upstream_tls;
