//! Encryption for one event and customer, previous keys, and deduplication keys.

use super::*;
use crate::Customer;

fn owner(tenant: &str, subscription: &str, webhook: Option<&str>) -> Owner {
    let customer = Customer { subscription: subscription.to_owned(), webhook: webhook.map(str::to_owned) };
    Owner { tenant: tenant.to_owned(), customer: Some(customer), binding: Binding::Customer }
}

#[test]
fn body_is_decrypted_only_for_its_customer() {
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
        assert_eq!(keyring.open(uid, &other, &sealed), Err(SealingError), "{other:?}");
    }
    assert_eq!(keyring.open(uid, &owner("acme", "s", Some("w")), &answer), Err(SealingError));
}

#[test]
fn body_of_an_older_release_is_decrypted_only_for_its_event_and_tenant() {
    let (first, second) = (Keyring::generate(), Keyring::generate());
    let keyring = Keyring::new(&first, &[]).unwrap();
    let rotated = Keyring::new(&second, &[first]).unwrap();
    let other = Keyring::new(&second, &[]).unwrap();
    let uid = Uuid::now_v7();
    let named = |name: &str| Owner { binding: Binding::Name, customer: None, ..owner(name, "", None) };

    let sealed = keyring.seal(uid, &named("acme"), b"body").unwrap();

    assert_eq!(keyring.open(uid, &named("acme"), &sealed).unwrap(), b"body");
    assert_eq!(rotated.open(uid, &named("acme"), &sealed).unwrap(), b"body");
    assert_eq!(other.open(uid, &named("acme"), &sealed), Err(SealingError));
    assert_eq!(keyring.open(uid, &named("globex"), &sealed), Err(SealingError));
    assert_eq!(keyring.open(Uuid::now_v7(), &named("acme"), &sealed), Err(SealingError));
    assert!(!sealed.bytes.windows(4).any(|bytes| bytes == b"body"));
}

#[test]
fn same_body_has_the_same_deduplication_key_only_for_the_same_customer() {
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
fn deduplication_keys_include_those_of_previous_keys_and_identifiers() {
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
fn invalid_key_is_refused() {
    for text in ["", "00", "zz00000000000000000000000000000000000000000000000000000000000000"] {
        assert!(Keyring::new(&Secret::new(text.to_owned()), &[]).is_err());
    }
}
