//! Reads the results of calls. The functions make no call, so that each rule can be tested with a scripted result.

pub(crate) mod clock;
pub(crate) mod onfido;
pub(crate) mod portal;
pub(crate) mod webhook;
