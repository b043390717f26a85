//! Encrypted values in the store.

use std::fmt;

/// An encrypted body or portal response, and the id of its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The id of the key that it is encrypted with.
    pub key_id: i64,
    /// The nonce (24 bytes), then the ciphertext with its authentication tag.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.bytes.len())
    }
}
