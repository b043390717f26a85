//! Failure points: named points at which chaos tests kill the process.
//!
//! There are two definitions of the macro, because a `cfg` inside it would test the features of the calling crate.

/// Marks a point at which chaos tests kill the process. Without the feature `failpoints` it expands to nothing.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::fail::fail_point!($name);
    };
}

/// Marks a point at which chaos tests kill the process. Without the feature `failpoints` it expands to nothing.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {};
}
