//! Callers resume their sessions, except where that would skip a check.

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;

/// A caller that keeps the tickets it gets.
struct Caller(TlsConnector);

impl Caller {
    fn new(files: &CertificateFolder, version: &'static SupportedProtocolVersion) -> Self {
        let config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots(files))
            .with_no_client_auth();
        Self(TlsConnector::from(Arc::new(config)))
    }

    /// Connects to a listener, and reads what it sends, so that a ticket is received.
    async fn connect(&self, reload: &CertificateReload) -> HandshakeKind {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let acceptor = reload.watched[0].certificates.acceptor();
        let name = ServerName::try_from("gateway.test").unwrap();
        let (caller, listener) =
            tokio::join!(self.0.connect(name, near), async { acceptor.acceptor.accept(far).await });
        let (mut caller, mut listener) = (caller.unwrap(), listener.unwrap());
        listener.write_all(b"!").await.unwrap();
        listener.flush().await.unwrap();
        caller.read_u8().await.unwrap();
        caller.get_ref().1.handshake_kind().unwrap()
    }
}

fn roots(files: &CertificateFolder) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files.path("certificate.pem")).unwrap()).unwrap();
    roots
}

fn folder() -> CertificateFolder {
    let files = CertificateFolder::new();
    files.certificate(-HOUR, 10 * HOUR);
    files
}

#[tokio::test]
async fn caller_resumes_its_session_with_a_ticket() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let files = folder();
        let reload = files.watch(None);
        let caller = Caller::new(&files, version);

        let mut kinds = Vec::new();
        for _ in 0..3 {
            kinds.push(caller.connect(&reload).await);
        }

        assert_eq!(
            kinds,
            [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed],
            "{:?}",
            version.version
        );
    }
}

#[tokio::test]
async fn ticket_of_another_listener_is_not_accepted() {
    let files = folder();
    let (public, internal) = (files.watch(None), files.watch(None));
    let caller = Caller::new(&files, &rustls::version::TLS13);

    let kinds = (caller.connect(&public).await, caller.connect(&internal).await);

    assert_eq!(kinds, (HandshakeKind::Full, HandshakeKind::Full));
}

#[tokio::test]
async fn ticket_from_before_a_certificate_change_is_not_accepted() {
    let files = folder();
    let reload = files.watch(None);
    let caller = Caller::new(&files, &rustls::version::TLS13);
    caller.connect(&reload).await;

    rebuild(&reload.watched[0]);

    assert_eq!(caller.connect(&reload).await, HandshakeKind::Full);
}

/// As new files do; the caller still trusts the certificate.
fn rebuild(watched: &WatchedFiles) {
    let state = watched.state.lock().unwrap();
    watched.certificates.acceptor.store(Arc::new(acceptor(&state.server.part, &state.callers.part).unwrap()));
}

/// A resumed session would skip the verification of the client certificate.
#[tokio::test]
async fn listener_that_verifies_client_certificates_resumes_no_session() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let files = folder();
        files.authorities(&[(-HOUR, 10 * HOUR)]);
        let mut reload = CertificateReload::new(Duration::from_secs(10));
        let tls = TlsFiles {
            certificate: files.path("certificate.pem"),
            key: files.path("key.pem"),
            client_ca: Some(files.path("authorities.pem")),
            client_ca_name: None,
            client_optional: true,
            client_crls: Vec::new(),
        };
        reload.watch("main", tls, &files.metrics).unwrap();
        let caller = Caller::new(&files, version);

        let kinds = (caller.connect(&reload).await, caller.connect(&reload).await);

        assert_eq!(kinds, (HandshakeKind::Full, HandshakeKind::Full), "{:?}", version.version);
    }
}

/// `X25519MLKEM768` protects recorded traffic against a quantum computer of the future. rustls uses the caller's order.
#[tokio::test]
async fn post_quantum_key_exchange_is_used_with_callers_that_have_it_first() {
    let files = folder();
    let reload = files.watch(None);
    let acceptor = reload.watched[0].certificates.acceptor();
    let mut classical_first = rustls::crypto::aws_lc_rs::default_provider();
    classical_first.kx_groups.sort_by_key(|group| group.name() == NamedGroup::X25519MLKEM768);
    let rows = [
        (rustls::crypto::aws_lc_rs::default_provider(), NamedGroup::X25519MLKEM768),
        (classical_first, NamedGroup::X25519),
    ];

    for (provider, expected) in rows {
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&files))
            .with_no_client_auth();
        let (near, far) = tokio::io::duplex(16 * 1024);
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("gateway.test").unwrap();
        let (caller, listener) = tokio::join!(connector.connect(name, near), acceptor.acceptor.accept(far));

        caller.unwrap();
        let group = listener.unwrap().get_ref().1.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, expected);
    }
}
