//! TLS towards Onfido.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use kyc_harness::certificates::Authority;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{CipherSuite, HandshakeKind, NamedGroup, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::gateway::{Setup, start};

/// What an upstream saw of each handshake.
type Handshakes = Arc<Mutex<Vec<(HandshakeKind, NamedGroup, CipherSuite)>>>;

/// An upstream resumes sessions, as Onfido's does, and closes each connection after its response.
#[tokio::test(flavor = "multi_thread")]
async fn new_connections_to_onfido_resume_the_session_of_earlier_ones() {
    let authority = Authority::new();
    let (onfido, handshakes) = closing_upstream(&authority).await;
    let trusted = authority.folder().join("authority.pem");
    let config = format!("[server]\nupstream_ca_file = \"{}\"\n", trusted.display());
    let gateway =
        start(Setup::default().onfido_base(&format!("https://{onfido}/v3.6")).config(&config)).await;

    let client = reqwest::Client::new();
    for subscription in ["sub-acme", "sub-acme", "sub-globex"] {
        let request = client.get(gateway.url("/dcs/kyc2/applicants")).header("SubscriptionId", subscription);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    let kinds = [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed];
    let expected =
        kinds.map(|kind| (kind, NamedGroup::X25519MLKEM768, CipherSuite::TLS13_AES_128_GCM_SHA256));
    assert_eq!(*handshakes.lock().unwrap(), expected);
    gateway.stop().await;
}

/// The order of the gateway decides, not that of the caller, which has AES-256 first.
#[tokio::test(flavor = "multi_thread")]
async fn aes_128_is_negotiated_with_callers_that_have_it() {
    let authority = Authority::new();
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().config(&listener)).await;

    let caller = authority.connect(gateway.address(), b"http/1.1").await;

    let suite = caller.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
    gateway.stop().await;
}

async fn closing_upstream(authority: &Authority) -> (SocketAddr, Handshakes) {
    let file = |name: &str| authority.folder().join(name);
    let certificate = CertificateDer::from_pem_file(file("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handshakes = Handshakes::default();
    let seen = Arc::clone(&handshakes);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            respond_once(&acceptor, stream, &seen).await;
        }
    });
    (address, handshakes)
}

async fn respond_once(acceptor: &TlsAcceptor, stream: TcpStream, seen: &Handshakes) {
    let mut stream = acceptor.accept(stream).await.unwrap();
    let session = stream.get_ref().1;
    let group = session.negotiated_key_exchange_group().unwrap().name();
    let suite = session.negotiated_cipher_suite().unwrap().suite();
    seen.lock().unwrap().push((session.handshake_kind().unwrap(), group, suite));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    stream.write_all(response.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}
