//! What is encrypted in the store.

use std::fmt;

/// A sealed body and the key it was sealed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The id of the key that it is sealed with.
    pub key_id: i64,
    /// Nonce and ciphertext.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.bytes.len())
    }
}
