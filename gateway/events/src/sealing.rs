//! Bodies at rest: sealed with a key that is not in the store.

use std::fmt;

use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use kyc_model::Secret;
use sha2::Sha256;
use uuid::Uuid;

use crate::{Binding, Dedup, Owner, Sealed};

/// The key that seals, and older ones that still open.
pub struct Keyring {
    current: Key,
    previous: Vec<Key>,
}

struct Key {
    id: i64,
    cipher: XChaCha20Poly1305,
    dedup: Hmac<Sha256>,
}

/// A body cannot be opened: another key, another event or tenant, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored body cannot be opened")]
pub struct Unsealable;

// === impl Keyring ===

impl Keyring {
    /// Takes keys of 32 bytes, each written as 64 hexadecimal digits; any number of previous ones.
    ///
    /// # Errors
    ///
    /// Which of them is no such key.
    pub fn new(current: &Secret, previous: &[Secret]) -> Result<Self, String> {
        let previous: Result<_, String> = previous.iter().map(Key::new).collect();
        Ok(Self {
            current: Key::new(current)?,
            previous: previous.map_err(|text| format!("previous: {text}"))?,
        })
    }

    /// Makes a new key, as it stands in a file.
    pub fn generate() -> Secret {
        Secret::new(hex::encode(XChaCha20Poly1305::generate_key(&mut OsRng)))
    }

    /// Says whether bodies under this key can be opened.
    pub fn knows(&self, key_id: i64) -> bool {
        self.key(key_id).is_some()
    }

    /// The ids of all keys, the current one first.
    pub fn key_ids(&self) -> Vec<i64> {
        std::iter::once(&self.current).chain(&self.previous).map(|key| key.id).collect()
    }

    /// Seals a body for one event of one customer.
    pub fn seal(&self, uid: Uuid, owner: &Owner, body: &[u8]) -> Result<Sealed, Unsealable> {
        self.seal_for(&bound_to(uid, owner, Content::Body)?, body)
    }

    fn seal_for(&self, aad: &[u8], body: &[u8]) -> Result<Sealed, Unsealable> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let sealed = self.current.cipher.encrypt(&nonce, Payload { msg: body, aad });
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed.map_err(|_| Unsealable)?);
        Ok(Sealed { key_id: self.current.id, bytes })
    }

    /// Opens what was sealed for the same event and customer.
    pub fn open(&self, uid: Uuid, owner: &Owner, sealed: &Sealed) -> Result<Vec<u8>, Unsealable> {
        self.open_for(&bound_to(uid, owner, Content::Body)?, sealed)
    }

    fn open_for(&self, aad: &[u8], sealed: &Sealed) -> Result<Vec<u8>, Unsealable> {
        let key = self.key(sealed.key_id).ok_or(Unsealable)?;
        let (nonce, body) = sealed.bytes.split_at_checked(NONCE).ok_or(Unsealable)?;
        key.cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad }).map_err(|_| Unsealable)
    }

    /// Seals what a portal said to one event of one customer; it does not open as the event's body.
    pub fn seal_answer(&self, uid: Uuid, owner: &Owner, answer: &[u8]) -> Result<Sealed, Unsealable> {
        self.seal_for(&bound_to(uid, owner, Content::Answer)?, answer)
    }

    /// Opens what a portal said.
    pub fn open_answer(&self, uid: Uuid, owner: &Owner, answer: &Sealed) -> Result<Vec<u8>, Unsealable> {
        self.open_for(&bound_to(uid, owner, Content::Answer)?, answer)
    }

    /// The keys by which the same body for the same customer is one event. They say nothing about the body to who does
    /// not have the store's key.
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

// === impl Sealed ===

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

/// What is sealed.
#[derive(Clone, Copy)]
enum Content {
    Body,
    Answer,
}

/// What sealed bytes belong to: moved to another row, or given to another customer, they do not open.
fn bound_to(uid: Uuid, owner: &Owner, content: Content) -> Result<Vec<u8>, Unsealable> {
    let mut bytes = uid.as_bytes().to_vec();
    match (owner.binding, &owner.customer, content) {
        (Binding::Name, _, Content::Body) => bytes.extend(owner.tenant.as_bytes()),
        (Binding::Name, _, Content::Answer) => bytes.extend(format!("{}\0answer", owner.tenant).as_bytes()),
        (Binding::Customer, Some(customer), content) => {
            // No name begins like this.
            bytes.extend([0, if matches!(content, Content::Body) { 1 } else { 2 }]);
            for part in [Some(&customer.subscription), customer.webhook.as_ref()] {
                let length = part.map_or(u64::MAX, |part| part.len() as u64);
                bytes.extend(length.to_be_bytes());
                bytes.extend(part.map(String::as_bytes).unwrap_or_default());
            }
        }
        (Binding::Customer, None, _) => return Err(Unsealable),
    }
    Ok(bytes)
}

/// What a customer is known by in keys of duplicates, the one that changes least first. The webhook survives a rename
/// and a new subscription id; another webhook signs with another token, so old notifications do not come again under it.
/// Releases before used the tenant's name.
fn identities(owner: &Owner) -> impl Iterator<Item = Vec<u8>> {
    let webhook = owner.customer.as_ref().and_then(|customer| customer.webhook.as_ref());
    let subscription = owner.customer.as_ref().map(|customer| &customer.subscription);
    // No name begins like this.
    let prefixed = |kind: u8, id: &String| [&[0, kind], id.as_bytes()].concat();
    [
        webhook.map(|id| prefixed(1, id)),
        subscription.map(|id| prefixed(2, id)),
        Some(owner.tenant.as_bytes().to_vec()),
    ]
    .into_iter()
    .flatten()
}

const NONCE: usize = 24;
const DEDUP: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Customer;

    fn owner(tenant: &str, subscription: &str, webhook: Option<&str>) -> Owner {
        let customer =
            Customer { subscription: subscription.to_owned(), webhook: webhook.map(str::to_owned) };
        Owner { tenant: tenant.to_owned(), customer: Some(customer), binding: Binding::Customer }
    }

    #[test]
    fn a_body_opens_only_for_its_customer() {
        let keyring = Keyring::new(&Keyring::generate(), &[]).unwrap();
        let uid = Uuid::now_v7();
        let sealed = keyring.seal(uid, &owner("acme", "s", Some("w")), b"body").unwrap();
        let answer = keyring.seal_answer(uid, &owner("acme", "s", Some("w")), b"body").unwrap();

        assert_eq!(keyring.open(uid, &owner("renamed", "s", Some("w")), &sealed).unwrap(), b"body");
        assert_eq!(keyring.open_answer(uid, &owner("renamed", "s", Some("w")), &answer).unwrap(), b"body");
        let nobody = Owner { customer: None, ..owner("acme", "s", None) };
        let old = Owner { binding: Binding::Name, ..owner("acme", "s", Some("w")) };
        let others =
            [owner("acme", "sw", None), owner("acme", "s", None), owner("acme", "s", Some("x")), nobody, old];
        for other in others {
            assert_eq!(keyring.open(uid, &other, &sealed), Err(Unsealable), "{other:?}");
        }
        assert_eq!(keyring.open(uid, &owner("acme", "s", Some("w")), &answer), Err(Unsealable));
    }

    #[test]
    fn a_body_of_an_older_release_opens_only_for_its_event_and_tenant() {
        let (first, second) = (Keyring::generate(), Keyring::generate());
        let keyring = Keyring::new(&first, &[]).unwrap();
        let rotated = Keyring::new(&second, &[first]).unwrap();
        let other = Keyring::new(&second, &[]).unwrap();
        let uid = Uuid::now_v7();
        let named = |name: &str| Owner { binding: Binding::Name, customer: None, ..owner(name, "", None) };

        let sealed = keyring.seal(uid, &named("acme"), b"body").unwrap();

        assert_eq!(keyring.open(uid, &named("acme"), &sealed).unwrap(), b"body");
        assert_eq!(rotated.open(uid, &named("acme"), &sealed).unwrap(), b"body");
        assert_eq!(other.open(uid, &named("acme"), &sealed), Err(Unsealable));
        assert_eq!(keyring.open(uid, &named("globex"), &sealed), Err(Unsealable));
        assert_eq!(keyring.open(Uuid::now_v7(), &named("acme"), &sealed), Err(Unsealable));
        assert!(!sealed.bytes.windows(4).any(|bytes| bytes == b"body"));
    }

    #[test]
    fn the_same_body_is_one_event_only_for_one_customer() {
        let keyring = Keyring::new(&Keyring::generate(), &[]).unwrap();
        let key = |owner: &Owner, body| keyring.dedup(owner, body).current;
        let acme = owner("acme", "s", Some("w"));

        for same in [owner("renamed", "s", Some("w")), owner("acme", "other", Some("w"))] {
            assert_eq!(key(&same, b"x"), key(&acme, b"x"), "{same:?}");
        }
        for other in [owner("acme", "s", Some("v")), owner("acme", "s", None)] {
            assert_ne!(key(&other, b"x"), key(&acme, b"x"), "{other:?}");
        }
        assert_ne!(key(&acme, b"x"), key(&acme, b"y"));
    }

    #[test]
    fn a_body_has_keys_for_duplicates_of_before() {
        let (first, second) = (Keyring::generate(), Keyring::generate());
        let without_webhook = owner("acme", "s", None);
        let older = Owner { customer: None, ..without_webhook.clone() };
        let before = Keyring::new(&first, &[]).unwrap();

        let after = Keyring::new(&second, &[first]).unwrap().dedup(&owner("acme", "s", Some("w")), b"x");

        for known in [older, without_webhook, owner("renamed", "s", Some("w"))] {
            assert!(after.previous.contains(&before.dedup(&known, b"x").current), "{known:?}");
        }
        assert!(!after.all().any(|key| key.is_empty()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "00", "zz00000000000000000000000000000000000000000000000000000000000000"] {
            assert!(Keyring::new(&Secret::new(text.to_owned()), &[]).is_err());
        }
    }
}
