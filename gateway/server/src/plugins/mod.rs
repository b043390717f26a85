//! The kinds of plugin, and the context that they are built with.

pub(crate) mod build_context;
pub(crate) mod built_in;
pub(crate) mod registry;
