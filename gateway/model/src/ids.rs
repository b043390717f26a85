//! Newtypes for identifiers, so that the compiler finds two ids that are swapped.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

/// A tenant's `Name`: the `{configurationName}` of its webhook URL, and its label in logs and metrics.
///
/// Comparison is exact, without case folding. Cloning increments a reference count.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TenantName(Arc<str>);

/// The value of the tenant header (`SubscriptionId`), as Azure API Management's policy sets it.
///
/// Comparison is exact, without case folding. `Debug` does not show the value, because it selects a credential.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SubscriptionId(Arc<str>);

/// The id of a request in its response, in logs and in upstream calls (a UUIDv7, RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(uuid::Uuid);

// === impl TenantName ===

impl TenantName {
    /// Wraps a name from the tenant document.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Borrows the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TenantName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl SubscriptionId ===

impl SubscriptionId {
    /// Wraps an id from the tenant document.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// Borrows the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for SubscriptionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubscriptionId(…)")
    }
}

// === impl RequestId ===

impl RequestId {
    /// Creates a new, time-ordered id.
    #[expect(clippy::new_without_default, reason = "every call makes another id; a default would hide that")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl RequestId {
    /// Returns the id as a header value.
    pub fn header_value(self) -> HeaderValue {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text: &str = self.0.as_hyphenated().encode_lower(&mut text);
        // Cannot fail: the text of a UUID is ASCII.
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
