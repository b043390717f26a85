//! The client of the gateway's own calls to Onfido under a tenant's credential.
//!
//! A call that the gateway makes itself (it looks up a webhook, a check or a workflow run) has no caller who reads the
//! response. Therefore the client turns each response into one of a few outcomes on which the gateway acts differently:
//! found, gone, refused credential, rate limited, unavailable. The credential is sent only below the tenant's base URL: the
//! client builds each path itself, follows no redirects, and refuses `http://` to another machine. A call has a time limit and
//! reads a bounded body.
//!
//! A tenant's credential is an API token, or an OAuth client whose access tokens [`AccessTokens`] keeps for all calls of the
//! gateway: its own and those that it forwards.

mod access_token;
mod access_tokens;
mod client;
mod error;
mod observer;
mod path;
mod token_error;
mod token_exchange;
mod webhook;
mod webhooks;

pub use access_tokens::AccessTokens;
pub use client::{CallLimits, OnfidoClient};
pub use error::OnfidoError;
pub use observer::{FetchResult, TokenObserver};
pub use token_error::TokenError;
pub use webhook::{RegisteredWebhook, Webhook, WebhookList, WebhookSettings};
