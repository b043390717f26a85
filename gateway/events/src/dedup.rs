//! The deduplication keys of a notification, by which a repeated one is recognised.

/// The deduplication keys of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedup {
    /// The key that is stored: for the customer, under the current secret key.
    pub current: Vec<u8>,
    /// Keys to search for as well: under previous secret keys, and for former identifiers of the customer.
    pub previous: Vec<Vec<u8>>,
}

// === impl Dedup ===

impl Dedup {
    /// Returns all keys, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}
