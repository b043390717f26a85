//! Decodes configuration values into types, and gathers every problem on the way.

mod decode;
mod problems;

pub(crate) use decode::decode;
pub(crate) use problems::Problems;
