//! The set of phases a plugin takes part in.

use std::ops::BitOr;

/// A set of phases. The gateway builds one chain per phase from it; a phase that no plugin implements costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u8);

// === impl Phases ===

impl Phases {
    /// No phase.
    pub const NONE: Self = Self(0);
    /// [`crate::Plugin::request_filter`].
    pub const REQUEST: Self = Self(1);
    /// [`crate::Plugin::request_body_filter`].
    pub const REQUEST_BODY: Self = Self(1 << 1);
    /// [`crate::Plugin::upstream_request_filter`].
    pub const UPSTREAM_REQUEST: Self = Self(1 << 2);
    /// [`crate::Plugin::response_filter`].
    pub const RESPONSE: Self = Self(1 << 3);
    /// [`crate::Plugin::response_body_filter`].
    pub const RESPONSE_BODY: Self = Self(1 << 4);
    /// [`crate::Plugin::logging`].
    pub const LOGGING: Self = Self(1 << 5);
    /// [`crate::Plugin::buffered_response_filter`].
    pub const BUFFERED_RESPONSE: Self = Self(1 << 6);

    /// Returns whether every phase of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether the set is empty. The gateway refuses a plugin without phases when it loads the configuration.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Phases {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
