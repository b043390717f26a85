//! Encryption of bodies and portal responses at rest, with a key that is not in the store.
//!
//! Notifications can hold personal data (applicant ids, inputs of workflows, pre-signed links), so a copy of the
//! database must not reveal them. The cipher is XChaCha20-Poly1305: its 24-byte nonces can be random without a counter that
//! survives restarts. The event's id and its customer are authenticated as associated data, so that a body that was moved to
//! another row or another customer cannot be decrypted. Three keys are derived from the configured one by HMAC-SHA-256: the
//! cipher's, the one of deduplication keys, and the id by which a row names its key.

use std::fmt;

use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use kyc_model::Secret;
use sha2::Sha256;
use uuid::Uuid;

use crate::{Binding, Dedup, Owner, Sealed};

/// The key that encrypts, and previous ones that still decrypt.
pub struct Keyring {
    current: Key,
    previous: Vec<Key>,
}

struct Key {
    id: i64,
    cipher: XChaCha20Poly1305,
    dedup: Hmac<Sha256>,
}

/// A body cannot be encrypted or decrypted: its key is not configured, it belongs to another event or customer, or it is
/// damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored body cannot be decrypted")]
pub struct SealingError;

// === impl Keyring ===

impl Keyring {
    /// Creates a keyring from keys of 32 bytes, each written as 64 hexadecimal digits, with any number of previous ones.
    ///
    /// # Errors
    ///
    /// A text that says whether the current or a previous key is invalid.
    pub fn new(current: &Secret, previous: &[Secret]) -> Result<Self, String> {
        let previous: Result<_, String> = previous.iter().map(Key::new).collect();
        Ok(Self {
            current: Key::new(current)?,
            previous: previous.map_err(|text| format!("previous key: {text}"))?,
        })
    }

    /// Generates a random key, as 64 hexadecimal digits.
    pub fn generate() -> Secret {
        Secret::new(hex::encode(XChaCha20Poly1305::generate_key(&mut OsRng)))
    }

    /// Returns whether bodies that are encrypted with this key can be decrypted.
    pub fn contains(&self, key_id: i64) -> bool {
        self.key(key_id).is_some()
    }

    /// Returns the ids of all keys, the current one first.
    pub fn key_ids(&self) -> Vec<i64> {
        std::iter::once(&self.current).chain(&self.previous).map(|key| key.id).collect()
    }

    /// Encrypts a body for one event of one customer.
    ///
    /// # Errors
    ///
    /// `SealingError` when the owner has no customer to bind the body to.
    pub fn seal(&self, uid: Uuid, owner: &Owner, body: &[u8]) -> Result<Sealed, SealingError> {
        self.seal_for(&associated_data(uid, owner, Content::Body)?, body)
    }

    fn seal_for(&self, aad: &[u8], body: &[u8]) -> Result<Sealed, SealingError> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let sealed = self.current.cipher.encrypt(&nonce, Payload { msg: body, aad });
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed.map_err(|_| SealingError)?);
        Ok(Sealed { key_id: self.current.id, bytes })
    }

    /// Decrypts a body of this event and customer.
    ///
    /// # Errors
    ///
    /// `SealingError` when the key is not configured, or the body was encrypted for another event or customer, or is
    /// damaged.
    pub fn open(&self, uid: Uuid, owner: &Owner, sealed: &Sealed) -> Result<Vec<u8>, SealingError> {
        self.open_for(&associated_data(uid, owner, Content::Body)?, sealed)
    }

    fn open_for(&self, aad: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealingError> {
        let key = self.key(sealed.key_id).ok_or(SealingError)?;
        let (nonce, body) = sealed.bytes.split_at_checked(NONCE).ok_or(SealingError)?;
        key.cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad }).map_err(|_| SealingError)
    }

    /// Encrypts a portal's response to one event of one customer. It cannot be decrypted as the event's body.
    ///
    /// # Errors
    ///
    /// As [`Keyring::seal`].
    pub fn seal_answer(&self, uid: Uuid, owner: &Owner, answer: &[u8]) -> Result<Sealed, SealingError> {
        self.seal_for(&associated_data(uid, owner, Content::Answer)?, answer)
    }

    /// Decrypts a portal's response.
    ///
    /// # Errors
    ///
    /// As [`Keyring::open`].
    pub fn open_answer(&self, uid: Uuid, owner: &Owner, answer: &Sealed) -> Result<Vec<u8>, SealingError> {
        self.open_for(&associated_data(uid, owner, Content::Answer)?, answer)
    }

    /// Computes the deduplication keys of a body: the same body for the same customer has the same keys. They are HMACs, so
    /// that nobody without the store's key can test whether a known body is in the store.
    pub fn dedup(&self, owner: &Owner, body: &[u8]) -> Dedup {
        let keys = std::iter::once(&self.current).chain(&self.previous);
        let mut all = keys.flat_map(|key| identities(owner).map(|identity| key.dedup(&identity, body)));
        Dedup { current: all.next().unwrap_or_default(), previous: all.collect() }
    }

    fn key(&self, id: i64) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.id == id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(…)")
    }
}

// === impl Key ===

impl Key {
    fn new(text: &Secret) -> Result<Self, String> {
        let wrong = || "must be 64 hexadecimal digits".to_owned();
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.reveal(), &mut bytes).map_err(|_| wrong())?;
        let derive = |purpose: &[u8]| {
            let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&bytes).map_err(|_| wrong())?;
            mac.update(purpose);
            Ok::<_, String>(mac.finalize().into_bytes())
        };
        let id = derive(b"kyc-gateway event store: key id")?;
        let sealing = derive(b"kyc-gateway event store: bodies")?;
        let dedup = derive(b"kyc-gateway event store: duplicates")?;
        Ok(Self {
            id: id.iter().take(4).fold(0, |id, byte| id << 8 | i64::from(*byte)),
            cipher: XChaCha20Poly1305::new_from_slice(&sealing).map_err(|_| wrong())?,
            dedup: <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&dedup).map_err(|_| wrong())?,
        })
    }

    fn dedup(&self, identity: &[u8], body: &[u8]) -> Vec<u8> {
        let mut mac = self.dedup.clone();
        mac.update(identity);
        mac.update(&[0]);
        mac.update(body);
        mac.finalize().into_bytes().iter().take(DEDUP).copied().collect()
    }
}

/// What an encrypted value is, as part of its associated data.
#[derive(Clone, Copy)]
enum Content {
    Body,
    Answer,
}

/// Returns the associated data of an encrypted value. Moved to another row or given to another customer, it cannot be
/// decrypted.
fn associated_data(uid: Uuid, owner: &Owner, content: Content) -> Result<Vec<u8>, SealingError> {
    let mut bytes = uid.as_bytes().to_vec();
    match (owner.binding, &owner.customer, content) {
        (Binding::Name, _, Content::Body) => bytes.extend(owner.tenant.as_bytes()),
        (Binding::Name, _, Content::Answer) => bytes.extend(format!("{}\0answer", owner.tenant).as_bytes()),
        (Binding::Customer, Some(customer), content) => {
            // No tenant name begins with NUL, so this is never the associated data of a name.
            bytes.extend([0, if matches!(content, Content::Body) { 1 } else { 2 }]);
            for part in [Some(&customer.subscription), customer.webhook.as_ref()] {
                let length = part.map_or(u64::MAX, |part| part.len() as u64);
                bytes.extend(length.to_be_bytes());
                bytes.extend(part.map(String::as_bytes).unwrap_or_default());
            }
        }
        (Binding::Customer, None, _) => return Err(SealingError),
    }
    Ok(bytes)
}

/// Returns the identifiers of a customer for deduplication keys, the most stable one first. The webhook id survives a rename
/// and a new subscription id; a new webhook signs with another token, so old notifications are not repeated under it. Older
/// releases used the tenant's name.
fn identities(owner: &Owner) -> impl Iterator<Item = Vec<u8>> {
    let webhook = owner.customer.as_ref().and_then(|customer| customer.webhook.as_ref());
    let subscription = owner.customer.as_ref().map(|customer| &customer.subscription);
    // No tenant name begins with NUL, so an id is never taken for a name.
    let prefixed = |kind: u8, id: &String| [&[0, kind], id.as_bytes()].concat();
    [
        webhook.map(|id| prefixed(1, id)),
        subscription.map(|id| prefixed(2, id)),
        Some(owner.tenant.as_bytes().to_vec()),
    ]
    .into_iter()
    .flatten()
}

/// Bytes of an XChaCha20 nonce.
const NONCE: usize = 24;
/// Bytes of a deduplication key: 128 bits exclude an accidental collision.
const DEDUP: usize = 16;

#[cfg(test)]
mod tests;
