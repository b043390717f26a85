//! The running gateway, with real parts beside it.

mod checks;
mod streaming;
mod strict;
mod support;
mod tenants;
mod third_party;
