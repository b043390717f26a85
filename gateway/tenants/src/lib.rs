//! The tenant document, where it comes from and how it is watched.
