//! An expired, older or unsigned revocation list does not replace the one in use.

use super::*;

#[test]
fn expired_revocation_list_does_not_replace_another() {
    let files = CertificateFolder::new();
    files.certificate(-HOUR, 10 * HOUR);
    files.authorities(&[(-HOUR, 10 * HOUR)]);
    files.list(-HOUR, 10 * HOUR);
    let reload = files.watch(Some("authorities.pem"));

    files.list(-3 * HOUR, -HOUR);
    let old = files.check(&reload, 0);
    files.list(-HOUR, 20 * HOUR);
    let new = files.check(&reload, 1);

    assert_eq!((old, new), (REFUSED, CHANGED));
}

/// Regression: an older list that was still valid replaced a newer one, so a revoked caller was accepted again.
#[test]
fn older_revocation_list_does_not_replace_a_newer_one() {
    let files = CertificateFolder::new();
    files.certificate(-HOUR, 10 * HOUR);
    files.authorities(&[(-HOUR, 10 * HOUR)]);
    files.list(-HOUR, 10 * HOUR);
    let reload = files.watch(Some("authorities.pem"));

    files.list(-2 * HOUR, 20 * HOUR);
    let older = [files.check(&reload, 0), files.check(&reload, 1)];
    files.list(0, 20 * HOUR);
    let newer = files.check(&reload, 2);

    assert_eq!((older, newer), ([REFUSED; 2], CHANGED));
}

/// rustls checks the signature of a list only when a caller connects, and then refuses every caller.
#[test]
fn revocation_list_not_signed_by_its_authority_is_refused() {
    let files = CertificateFolder::new();
    files.certificate(-HOUR, 10 * HOUR);
    files.authorities(&[(-HOUR, 10 * HOUR)]);
    files.list(-HOUR, 10 * HOUR);
    let reload = files.watch(Some("authorities.pem"));

    files.list_of(None, 0, 20 * HOUR);
    let forged = files.check(&reload, 0);
    let checked = reload.watched[0].certificates.files.check().unwrap_err();

    assert_eq!(forged, REFUSED);
    assert!(checked[0].to_string().contains("did not sign it"), "{checked:?}");
}
