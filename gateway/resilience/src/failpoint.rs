//! Points at which chaos tests end the process.
//!
//! There are two macros, since a `cfg` within one would ask for a feature of the crate that calls it.

/// A point at which chaos tests end the process; nothing at all without the feature `failpoints`.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::fail::fail_point!($name);
    };
}

/// A point at which chaos tests end the process; nothing at all without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {};
}
