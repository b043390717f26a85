//! The running gateway, with real parts beside it.

mod checks;
mod streaming;
mod strict;
mod support;
mod third_party;
