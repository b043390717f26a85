//! Attacks, authentication and permissions.

mod advisories;
mod buffered;
mod callers;
mod canary;
mod challenges;
mod corpora;
mod egress;
mod floods;
mod framing;
mod heads;
mod mutated;
pub(crate) mod operators;
mod roles;
mod spoofing;
mod strict;
mod tokens;
