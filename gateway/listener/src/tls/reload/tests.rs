//! Regression: a renewal wrote an expired certificate into the file, and it replaced a valid one. Every caller failed, and the log
//! had only one line of level INFO.

mod resumption;
mod revocation_lists;

use std::path::Path;
use std::time::UNIX_EPOCH;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SerialNumber,
};

use super::*;

const HOUR: i64 = 3600;

type Damage = fn(&CertificateFolder);

struct CertificateFolder {
    folder: tempfile::TempDir,
    metrics: Metrics,
    now: i64,
}

impl CertificateFolder {
    fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
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

    /// Writes a revocation list of an authority; without a name, one that has the name of the test's authorities but not their key.
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

    /// Returns the time `seconds` from now.
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
        let mut reload = CertificateReload::new(Duration::from_secs(10));
        let files = TlsFiles {
            certificate: self.path("certificate.pem"),
            key: self.path("key.pem"),
            client_ca: client_ca.map(|name| self.path(name)),
            client_ca_name: None,
            client_optional: false,
            client_crls: client_ca.iter().map(|_| self.path("revoked.pem")).collect(),
        };
        reload.watch("main", files, &self.metrics).unwrap();
        reload
    }

    /// Checks the files as of `seconds` from now; returns whether the acceptor changed, and whether the metric reports refused files.
    fn check(&self, reload: &CertificateReload, seconds: i64) -> (bool, bool) {
        let watched = &reload.watched[0];
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
    let files = CertificateFolder::new();
    files.certificate(-HOUR, 10 * HOUR);
    let reload = files.watch(None);

    files.certificate(-2 * HOUR, -HOUR);
    let expired = [files.check(&reload, 0), files.check(&reload, 1)];
    files.certificate(-HOUR, 20 * HOUR);
    let valid = [files.check(&reload, 2), files.check(&reload, 3)];

    assert_eq!((expired, valid), ([REFUSED; 2], [CHANGED, SAME]));
}

#[test]
fn certificate_not_valid_yet_is_used_from_its_start() {
    let files = CertificateFolder::new();
    files.certificate(-HOUR, 10 * HOUR);
    let reload = files.watch(None);

    files.certificate(HOUR, 20 * HOUR);
    let checks = [0, 1, HOUR + 1, HOUR + 2].map(|seconds| files.check(&reload, seconds));

    assert_eq!(checks, [REFUSED, REFUSED, CHANGED, SAME]);
}

#[test]
fn newest_files_are_used_if_no_certificate_is_valid() {
    let files = CertificateFolder::new();
    files.certificate(-3 * HOUR, -2 * HOUR);
    let reload = files.watch(None);

    files.certificate(-2 * HOUR, -HOUR);

    assert_eq!(files.check(&reload, 0), CHANGED);
}

#[test]
fn expired_authorities_do_not_replace_valid_ones() {
    let files = CertificateFolder::new();
    files.certificate(-HOUR, 10 * HOUR);
    files.authorities(&[(-HOUR, 10 * HOUR)]);
    files.list(-HOUR, 10 * HOUR);
    let reload = files.watch(Some("authorities.pem"));

    files.authorities(&[(-3 * HOUR, -HOUR), (-2 * HOUR, -HOUR)]);
    let expired = files.check(&reload, 0);
    files.authorities(&[(-3 * HOUR, -HOUR), (-HOUR, HOUR)]);
    let one_is_valid = files.check(&reload, 1);

    assert_eq!((expired, one_is_valid), (REFUSED, CHANGED));
}

/// Regression: an unusable certificate file prevented the use of a new revocation list, so a revoked caller was still accepted.
#[test]
fn refused_certificate_does_not_block_a_new_list_and_vice_versa() {
    let in_use_but_something_is_refused = (true, true);
    let rows: [(&str, &str, Damage); 4] = [
        ("certificate unreadable", "server", |files| {
            std::fs::remove_file(files.path("certificate.pem")).unwrap();
        }),
        ("certificate expired", "server", |files| files.certificate(-2 * HOUR, -HOUR)),
        ("key broken", "server", |files| std::fs::write(files.path("key.pem"), "half a k").unwrap()),
        ("list broken", "callers", |files| std::fs::write(files.path("revoked.pem"), "half a l").unwrap()),
    ];

    for (what, part, damage) in rows {
        let files = CertificateFolder::new();
        files.certificate(-HOUR, 10 * HOUR);
        files.authorities(&[(-HOUR, 10 * HOUR)]);
        files.list(-HOUR, 10 * HOUR);
        let reload = files.watch(Some("authorities.pem"));

        damage(&files);
        let damaged = files.check(&reload, 0);
        match part {
            "server" => files.list(-HOUR, 20 * HOUR),
            _ => files.certificate(-HOUR, 20 * HOUR),
        }
        let other = [files.check(&reload, 1), files.check(&reload, 2)];
        files.certificate(-HOUR, 30 * HOUR);
        files.list(-HOUR, 30 * HOUR);
        let repaired = [files.check(&reload, 3), files.check(&reload, 4)];

        assert_eq!(
            (damaged, other, repaired),
            (REFUSED, [in_use_but_something_is_refused, REFUSED], [CHANGED, SAME]),
            "{what}"
        );
        let expires = format!(
            "kyc_gateway_listener_revocation_lists_expire_timestamp_seconds{{listener=\"main\"}} {}",
            files.now + 30 * HOUR
        );
        let metrics = String::from_utf8(files.metrics.encode().unwrap()).unwrap();
        assert!(metrics.contains(&expires), "{what}: {metrics}");
    }
}

#[test]
fn unreadable_files_are_refused_until_they_are_restored() {
    let files = CertificateFolder::new();
    files.certificate(-HOUR, 10 * HOUR);
    let reload = files.watch(None);
    let good = std::fs::read(files.path("certificate.pem")).unwrap();

    std::fs::remove_file(files.path("certificate.pem")).unwrap();
    let gone = files.check(&reload, 0);
    std::fs::write(files.path("certificate.pem"), &good).unwrap();
    let back = files.check(&reload, 1);
    std::fs::write(files.path("certificate.pem"), "half a c").unwrap();
    let broken = [files.check(&reload, 2), files.check(&reload, 3)];

    assert_eq!((gone, back, broken), (REFUSED, SAME, [REFUSED; 2]));
}

#[test]
fn invalid_certificate_is_reported_with_its_file() {
    let files = CertificateFolder::new();
    files.certificate(-2 * HOUR, -HOUR);
    files.authorities(&[(HOUR, 2 * HOUR)]);
    files.list(-HOUR, 10 * HOUR);
    let reload = files.watch(Some("authorities.pem"));

    let problems = reload.watched[0].certificates.files.check().unwrap();

    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let named = |text: &str, key: &str, file: &Path, what: &str| {
        text.starts_with(&format!("{key}: {}: ", file.display())) && text.contains(what)
    };
    assert!(
        named(&texts[0], "certificate_file", &files.path("certificate.pem"), "the certificate expired at 20"),
        "{texts:?}"
    );
    assert!(
        named(&texts[1], "client_ca_file", &files.path("authorities.pem"), "is not valid before 20"),
        "{texts:?}"
    );
}
