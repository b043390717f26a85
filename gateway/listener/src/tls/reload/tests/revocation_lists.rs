//! Revocation lists: none takes the place of a better one.

use super::*;

#[test]
fn expired_revocation_list_does_not_replace_another() {
    let room = Room::new();
    room.certificate(-HOUR, 10 * HOUR);
    room.authorities(&[(-HOUR, 10 * HOUR)]);
    room.list(-HOUR, 10 * HOUR);
    let renewal = room.watch(Some("authorities.pem"));

    room.list(-3 * HOUR, -HOUR);
    let old = room.look(&renewal, 0);
    room.list(-HOUR, 20 * HOUR);
    let new = room.look(&renewal, 1);

    assert_eq!((old, new), (REFUSED, CHANGED));
}

/// An older list, which still is valid, let in again whom a newer one had revoked.
#[test]
fn older_revocation_list_does_not_replace_a_newer_one() {
    let room = Room::new();
    room.certificate(-HOUR, 10 * HOUR);
    room.authorities(&[(-HOUR, 10 * HOUR)]);
    room.list(-HOUR, 10 * HOUR);
    let renewal = room.watch(Some("authorities.pem"));

    room.list(-2 * HOUR, 20 * HOUR);
    let older = [room.look(&renewal, 0), room.look(&renewal, 1)];
    room.list(0, 20 * HOUR);
    let newer = room.look(&renewal, 2);

    assert_eq!((older, newer), ([REFUSED; 2], CHANGED));
}

/// rustls finds such a list out when a caller connects, and refuses every one of them.
#[test]
fn revocation_list_not_signed_by_its_authority_is_refused() {
    let room = Room::new();
    room.certificate(-HOUR, 10 * HOUR);
    room.authorities(&[(-HOUR, 10 * HOUR)]);
    room.list(-HOUR, 10 * HOUR);
    let renewal = room.watch(Some("authorities.pem"));

    room.list_of(None, 0, 20 * HOUR);
    let forged = room.look(&renewal, 0);
    let checked = renewal.watched[0].certificates.files.check().unwrap_err();

    assert_eq!(forged, REFUSED);
    assert!(checked[0].to_string().contains("did not sign it"), "{checked:?}");
}
