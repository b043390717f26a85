//! A certificate authority with a certificate for `gateway.test` in files, and certificates of callers.
#![expect(clippy::unwrap_used, reason = "a test cannot run without its certificates")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use reqwest::{Certificate, Identity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Installs the cryptography provider of rustls, which every TLS client needs.
pub fn install_crypto_provider() {
    // A second installation fails, and the first one is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// An authority with a certificate for `gateway.test` and its key in files.
#[derive(Debug)]
pub struct Authority {
    folder: tempfile::TempDir,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    until: SystemTime,
}

// === impl Authority ===

impl Authority {
    /// Creates both, with new keys.
    #[expect(clippy::new_without_default, reason = "each one is another authority, and writes files")]
    pub fn new() -> Self {
        Self::valid_until(UNIX_EPOCH + YEAR_2999)
    }

    /// Creates both, valid until this time.
    pub fn valid_until(until: SystemTime) -> Self {
        install_crypto_provider();
        let mut params = CertificateParams::default();
        params.not_after = until.into();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = name("authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), &certificate).unwrap();
        let authority = Self { folder, certificate, issuer: Issuer::new(params, key), until };
        authority.renew();
        authority
    }

    /// Replaces the certificate of `gateway.test` and its key, each atomically.
    pub fn renew(&self) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["gateway.test".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.not_after = self.until.into();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        for (file, text) in [("key.pem", key.serialize_pem()), ("certificate.pem", certificate)] {
            let draft = self.folder.path().join("draft.pem");
            std::fs::write(&draft, text).unwrap();
            std::fs::rename(draft, self.folder.path().join(file)).unwrap();
        }
    }

    /// The root certificates that a caller trusts.
    pub fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.certificate.as_bytes()).unwrap()
    }

    /// The folder with the files `authority.pem`, `certificate.pem` and `key.pem`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The `tls` key of a listener.
    pub fn listener_tls(&self) -> String {
        self.listener_tls_with("")
    }

    /// The `tls` key of a listener, with additional keys.
    pub fn listener_tls_with(&self, more: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "tls = {{ certificate_file = \"{folder}/certificate.pem\", key_file = \"{folder}/key.pem\"{more} }}\n"
        )
    }

    /// The TLS settings of a server at `gateway.test` and 127.0.0.1 whose certificate is valid until the end of a year.
    pub fn server(&self, until: i32) -> rustls::ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["gateway.test".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        config.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }

    /// A caller's certificate with its key, valid until the end of a year. The serial number is the beginning of the name.
    pub fn caller(&self, common_name: &str, dns: &str, until: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.serial_number = Some(serial(common_name));
        params.distinguished_name = name(common_name);
        params.subject_alt_names = vec![SanType::DnsName(dns.try_into().unwrap())];
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(format!("{}{}", certificate.pem(), key.serialize_pem()).as_bytes()).unwrap()
    }

    /// Writes `revoked.pem`, a certificate revocation list with the certificates of these callers.
    pub fn revoke(&self, common_names: &[&str]) {
        self.revoke_until(common_names, UNIX_EPOCH + YEAR_2999);
    }

    /// The same, with the time of the next update.
    pub fn revoke_until(&self, common_names: &[&str], next_update: SystemTime) {
        let revoked = common_names.iter().map(|name| RevokedCertParams {
            serial_number: serial(name),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: next_update.into(),
            crl_number: serial("1"),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let draft = self.folder.path().join("draft.pem");
        std::fs::write(&draft, list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        std::fs::rename(draft, self.folder.path().join("revoked.pem")).unwrap();
    }

    /// Opens a TLS connection with the ALPN protocol `protocol`.
    pub async fn connect(&self, gateway: std::net::SocketAddr, protocol: &[u8]) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(gateway).await.unwrap();
        self.handshake(stream, &[protocol]).await.unwrap()
    }

    /// Starts TLS on an existing connection, without an ALPN protocol.
    ///
    /// # Errors
    ///
    /// When the handshake fails.
    pub async fn wrap(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.handshake(stream, &[]).await
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        let authority = rustls::pki_types::CertificateDer::from_pem_slice(self.certificate.as_bytes());
        roots.add(authority.unwrap()).unwrap();
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from("gateway.test").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

fn serial(common_name: &str) -> SerialNumber {
    SerialNumber::from_slice(common_name.as_bytes().get(..20).unwrap_or(common_name.as_bytes()))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "FintechOS");
    name.push(DnType::CommonName, common_name);
    name
}

/// From 1970 to the beginning of 2999.
const YEAR_2999: Duration = Duration::from_secs(32_472_144_000);
