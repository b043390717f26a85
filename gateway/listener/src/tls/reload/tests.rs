//! A certificate that expired in its file, because a renewal had written an old one, replaced a valid one: every caller
//! failed, and the log had one line of level INFO.

mod revocation_lists;

use std::path::Path;
use std::time::UNIX_EPOCH;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SerialNumber,
};

use super::*;

const HOUR: i64 = 3600;

type Damage = fn(&Room);

struct Room {
    folder: tempfile::TempDir,
    metrics: Metrics,
    now: i64,
}

impl Room {
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), metrics: Metrics::new().unwrap(), now }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a certificate with its key that is valid between these times, counted from now.
    fn certificate(&self, from: i64, until: i64) {
        let (pem, key) = self.made(from, until, IsCa::NoCa);
        std::fs::write(self.path("certificate.pem"), pem).unwrap();
        std::fs::write(self.path("key.pem"), key).unwrap();
    }

    fn authorities(&self, valid: &[(i64, i64)]) {
        let is_ca = || IsCa::Ca(BasicConstraints::Unconstrained);
        let text: String = valid.iter().map(|(from, until)| self.made(*from, *until, is_ca()).0).collect();
        std::fs::write(self.path("authorities.pem"), text).unwrap();
    }

    /// Writes a revocation list of an intermediate authority that is valid between these times.
    fn list(&self, from: i64, until: i64) {
        self.list_of(Some("intermediate"), from, until);
    }

    /// The same of an authority; without a name it is called as those that `made` makes, whose key it has not.
    fn list_of(&self, name: Option<&str>, from: i64, until: i64) {
        let mut authority = CertificateParams::default();
        if let Some(name) = name {
            authority.distinguished_name.push(DnType::CommonName, name);
        }
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::CrlSign];
        let issuer = Issuer::new(authority, KeyPair::generate().unwrap());
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let list = CertificateRevocationListParams {
            this_update: epoch + self.after_1970(from),
            next_update: epoch + self.after_1970(until),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        std::fs::write(self.path("revoked.pem"), list.signed_by(&issuer).unwrap().pem().unwrap()).unwrap();
    }

    /// The time so many seconds from now.
    fn after_1970(&self, seconds: i64) -> Duration {
        Duration::from_secs(u64::try_from(self.now + seconds).unwrap())
    }

    fn made(&self, from: i64, until: i64, is_ca: IsCa) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["gateway.test".to_owned()]).unwrap();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        (params.not_before, params.not_after, params.is_ca) =
            (epoch + self.after_1970(from), epoch + self.after_1970(until), is_ca);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn watch(&self, client_ca: Option<&str>) -> CertificateReload {
        let mut renewal = CertificateReload::new(Duration::from_secs(10));
        let files = TlsFiles {
            certificate: self.path("certificate.pem"),
            key: self.path("key.pem"),
            client_ca: client_ca.map(|name| self.path(name)),
            client_ca_name: None,
            client_optional: false,
            client_crls: client_ca.iter().map(|_| self.path("revoked.pem")).collect(),
        };
        renewal.watch("main", files, &self.metrics).unwrap();
        renewal
    }

    /// Looks at the files so many seconds from now; says whether what is in use changed, and whether the metric says that
    /// the files are refused.
    fn look(&self, renewal: &CertificateReload, seconds: i64) -> (bool, bool) {
        let watched = &renewal.watched[0];
        let before = watched.certificates.acceptor();
        watched.check(UNIX_EPOCH + self.after_1970(seconds));
        let metrics = String::from_utf8(self.metrics.encode().unwrap()).unwrap();
        let is_refused =
            metrics.contains("kyc_gateway_listener_certificate_files_refused{listener=\"main\"} 1");
        (!Arc::ptr_eq(&before, &watched.certificates.acceptor()), is_refused)
    }
}

const CHANGED: (bool, bool) = (true, false);
const REFUSED: (bool, bool) = (false, true);
const SAME: (bool, bool) = (false, false);

#[test]
fn expired_certificate_does_not_replace_a_valid_one() {
    let room = Room::new();
    room.certificate(-HOUR, 10 * HOUR);
    let renewal = room.watch(None);

    room.certificate(-2 * HOUR, -HOUR);
    let expired = [room.look(&renewal, 0), room.look(&renewal, 1)];
    room.certificate(-HOUR, 20 * HOUR);
    let valid = [room.look(&renewal, 2), room.look(&renewal, 3)];

    assert_eq!((expired, valid), ([REFUSED; 2], [CHANGED, SAME]));
}

#[test]
fn certificate_not_valid_yet_is_used_from_its_start() {
    let room = Room::new();
    room.certificate(-HOUR, 10 * HOUR);
    let renewal = room.watch(None);

    room.certificate(HOUR, 20 * HOUR);
    let looks = [0, 1, HOUR + 1, HOUR + 2].map(|seconds| room.look(&renewal, seconds));

    assert_eq!(looks, [REFUSED, REFUSED, CHANGED, SAME]);
}

#[test]
fn newest_files_are_used_if_no_certificate_is_valid() {
    let room = Room::new();
    room.certificate(-3 * HOUR, -2 * HOUR);
    let renewal = room.watch(None);

    room.certificate(-2 * HOUR, -HOUR);

    assert_eq!(room.look(&renewal, 0), CHANGED);
}

#[test]
fn authorities_that_all_expired_do_not_replace_valid_ones() {
    let room = Room::new();
    room.certificate(-HOUR, 10 * HOUR);
    room.authorities(&[(-HOUR, 10 * HOUR)]);
    room.list(-HOUR, 10 * HOUR);
    let renewal = room.watch(Some("authorities.pem"));

    room.authorities(&[(-3 * HOUR, -HOUR), (-2 * HOUR, -HOUR)]);
    let expired = room.look(&renewal, 0);
    room.authorities(&[(-3 * HOUR, -HOUR), (-HOUR, HOUR)]);
    let one_is_valid = room.look(&renewal, 1);

    assert_eq!((expired, one_is_valid), (REFUSED, CHANGED));
}

/// A certificate file that could not be used kept a new revocation list from being used: a revoked caller went on.
#[test]
fn refused_certificate_does_not_block_a_new_list_and_vice_versa() {
    let in_use_but_something_is_refused = (true, true);
    let rows: [(&str, &str, Damage); 4] = [
        ("certificate unreadable", "server", |room| {
            std::fs::remove_file(room.path("certificate.pem")).unwrap();
        }),
        ("certificate expired", "server", |room| room.certificate(-2 * HOUR, -HOUR)),
        ("key broken", "server", |room| std::fs::write(room.path("key.pem"), "half a k").unwrap()),
        ("list broken", "callers", |room| std::fs::write(room.path("revoked.pem"), "half a l").unwrap()),
    ];

    for (what, part, damage) in rows {
        let room = Room::new();
        room.certificate(-HOUR, 10 * HOUR);
        room.authorities(&[(-HOUR, 10 * HOUR)]);
        room.list(-HOUR, 10 * HOUR);
        let renewal = room.watch(Some("authorities.pem"));

        damage(&room);
        let damaged = room.look(&renewal, 0);
        match part {
            "server" => room.list(-HOUR, 20 * HOUR),
            _ => room.certificate(-HOUR, 20 * HOUR),
        }
        let other = [room.look(&renewal, 1), room.look(&renewal, 2)];
        room.certificate(-HOUR, 30 * HOUR);
        room.list(-HOUR, 30 * HOUR);
        let repaired = [room.look(&renewal, 3), room.look(&renewal, 4)];

        assert_eq!(
            (damaged, other, repaired),
            (REFUSED, [in_use_but_something_is_refused, REFUSED], [CHANGED, SAME]),
            "{what}"
        );
        let expires = format!(
            "kyc_gateway_listener_revocation_lists_expire_timestamp_seconds{{listener=\"main\"}} {}",
            room.now + 30 * HOUR
        );
        let metrics = String::from_utf8(room.metrics.encode().unwrap()).unwrap();
        assert!(metrics.contains(&expires), "{what}: {metrics}");
    }
}

#[test]
fn unreadable_files_are_refused_until_they_are_restored() {
    let room = Room::new();
    room.certificate(-HOUR, 10 * HOUR);
    let renewal = room.watch(None);
    let good = std::fs::read(room.path("certificate.pem")).unwrap();

    std::fs::remove_file(room.path("certificate.pem")).unwrap();
    let gone = room.look(&renewal, 0);
    std::fs::write(room.path("certificate.pem"), &good).unwrap();
    let back = room.look(&renewal, 1);
    std::fs::write(room.path("certificate.pem"), "half a c").unwrap();
    let broken = [room.look(&renewal, 2), room.look(&renewal, 3)];

    assert_eq!((gone, back, broken), (REFUSED, SAME, [REFUSED; 2]));
}

#[test]
fn invalid_certificate_is_reported_with_its_file() {
    let room = Room::new();
    room.certificate(-2 * HOUR, -HOUR);
    room.authorities(&[(HOUR, 2 * HOUR)]);
    room.list(-HOUR, 10 * HOUR);
    let renewal = room.watch(Some("authorities.pem"));

    let problems = renewal.watched[0].certificates.files.check().unwrap();

    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let named = |text: &str, key: &str, file: &Path, what: &str| {
        text.starts_with(&format!("{key}: {}: ", file.display())) && text.contains(what)
    };
    assert!(
        named(&texts[0], "certificate_file", &room.path("certificate.pem"), "the certificate expired at 20"),
        "{texts:?}"
    );
    assert!(
        named(&texts[1], "client_ca_file", &room.path("authorities.pem"), "is not valid before 20"),
        "{texts:?}"
    );
}
