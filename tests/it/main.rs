//! The running gateway, with real parts beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test stops at the first failure"
)]

mod admin;
mod advisories;
mod answers;
mod audit;
mod balancers;
mod buffered;
mod callers;
mod canary;
mod checks;
mod clock;
mod collectors;
mod confined;
mod conformance;
mod corpora;
mod customers;
mod disk;
mod durable;
mod egress;
mod every_key;
mod expectations;
mod floods;
mod framing;
mod heads;
mod held;
mod limits;
mod listeners;
mod logging;
mod moving;
mod mutated;
mod operate;
mod operators;
mod outbound;
mod portals;
mod probes;
mod relay;
mod repeated;
mod roles;
mod rotated;
mod shared;
mod signatures;
mod spoofing;
mod streaming;
mod strict;
mod support;
mod swagger;
mod tenants;
mod third_party;
mod tokens;
mod upgrade;
mod uploads;
mod vault;
mod webhook;
