//! By what a notification is known when it comes again.

/// By what a notification is known when it comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedup {
    /// By the customer, under the current key; the one that is kept.
    pub current: Vec<u8>,
    /// Under each of the previous keys, and by what else the customer was known by.
    pub previous: Vec<Vec<u8>>,
}

// === impl Dedup ===

impl Dedup {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}
