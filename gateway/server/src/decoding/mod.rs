//! Decodes configuration values into types, and collects every problem.

mod decode;
mod problems;

pub(crate) use decode::decode;
pub(crate) use problems::Problems;
