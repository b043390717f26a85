//! Load balancers in front of a listener that send the caller's address with the PROXY protocol.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use kyc_harness::certificates::Authority;
use kyc_harness::ports::free_address;
use kyc_harness::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{exchange, status};
use crate::support::soon;
use crate::support::upstream::Echo;

const GET: &str =
    "GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\nConnection: close\r\n\r\n";
const BALANCER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

/// A gateway that accepts callers in `allow`, and trusts only the balancer at [`BALANCER`].
async fn gateway(onfido: &Echo, allow: &str, more: &str) -> Gateway {
    let config = format!(
        "[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\nproxy_protocol = {{ trusted = [\"{BALANCER}/32\"] }}\n{more}\
         [[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{{*path}}\"]\n\
         [[routes.plugins]]\nplugin = \"caller-auth\"\nallow = [\"{allow}\"]\n\
         [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n"
    );
    start(Setup::default().onfido(onfido.address).config(&config)).await
}

async fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Sends bytes from an address. Returns the status of the response; 0 without one.
async fn send_from(source: Ipv4Addr, to: SocketAddr, bytes: &[u8]) -> u16 {
    let mut stream = connect_from(source, to).await;
    let answer = tokio::time::timeout(Duration::from_secs(20), exchange(&mut stream, bytes)).await;
    status(&answer.expect("the gateway neither answers nor closes"))
}

fn text(caller: &str) -> String {
    format!("PROXY TCP4 {caller} 127.0.0.1 40000 443\r\n")
}

fn binary(caller: [u8; 4], more: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    header.extend(u16::try_from(12 + more.len()).unwrap().to_be_bytes());
    header.extend(caller);
    header.extend([127, 0, 0, 1, 0x9c, 0x40, 1, 0xbb]);
    header.extend(more);
    header
}

/// Behind a balancer, `allow` and the limits per source applied to the balancer's address.
#[tokio::test(flavor = "multi_thread")]
async fn proxy_protocol_is_accepted_only_from_trusted_balancers() {
    let onfido = Echo::start().await;
    let gateway = gateway(&onfido, "192.0.2.0/24", "downstream = { head = \"1s\" }\n").await;
    let after = |header: &[u8]| [header, GET.as_bytes()].concat();
    let tlv = [&[4, 1, 0][..], &[0; 256]].concat();
    let rows: [(&str, Ipv4Addr, Vec<u8>, u16); 11] = [
        ("version 1", BALANCER, after(text("192.0.2.7").as_bytes()), 200),
        ("version 1, another caller", BALANCER, after(text("198.51.100.7").as_bytes()), 401),
        ("version 1, unknown", BALANCER, after(b"PROXY UNKNOWN\r\n"), 401),
        ("version 2", BALANCER, after(&binary([192, 0, 2, 7], &[])), 200),
        ("version 2 with a TLV", BALANCER, after(&binary([192, 0, 2, 7], &tlv)), 200),
        ("version 2, another caller", BALANCER, after(&binary([198, 51, 100, 7], &[])), 401),
        ("version 2, local", BALANCER, after(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"), 401),
        ("without a header", BALANCER, GET.as_bytes().to_vec(), 0),
        ("half a header, then silence", BALANCER, b"PROXY TCP4 192.".to_vec(), 0),
        ("from elsewhere", OTHER, after(text("192.0.2.7").as_bytes()), 0),
        ("from elsewhere without a header", OTHER, GET.as_bytes().to_vec(), 0),
    ];

    for (name, source, bytes, expected) in rows {
        assert_eq!(send_from(source, gateway.address(), &bytes).await, expected, "{name}");
    }

    let mut split = connect_from(BALANCER, gateway.address()).await;
    for byte in after(&binary([192, 0, 2, 7], &tlv)) {
        split.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(status(&exchange(&mut split, b"").await), 200, "byte for byte");
    let metrics = gateway.metrics().await;
    for (reason, count) in [("proxy_protocol", 2), ("no_balancer", 2)] {
        let line = format!(r#"refused_total{{listener="main",reason="{reason}"}} {count}"#);
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_header_precedes_tls_and_limits_apply_to_the_caller() {
    let (authority, onfido) = (Authority::new(), Echo::start().await);
    let limits = format!("downstream = {{ max_connections_per_source = 1 }}\n{}", authority.listener_tls());
    let gateway = gateway(&onfido, "192.0.2.0/24", &limits).await;
    let open = async |caller: &str| {
        let mut stream = connect_from(BALANCER, gateway.address()).await;
        stream.write_all(text(caller).as_bytes()).await.unwrap();
        authority.wrap(stream).await
    };

    let mut first = open("192.0.2.1").await.unwrap();
    let second = open("192.0.2.1").await;
    let other = open("192.0.2.2").await;
    first.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = first.read_to_end(&mut answer).await;

    assert_eq!(status(&String::from_utf8_lossy(&answer)), 200);
    assert!(second.is_err() && other.is_ok(), "each caller has its own limit");
}

/// A running HAProxy; it is killed when dropped.
struct HaProxy {
    _process: Process,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl HaProxy {
    /// Forwards each connection from the address `source`, with a PROXY header of version 2.
    async fn start(to: SocketAddr, source: Ipv4Addr) -> Self {
        let address = free_address().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haproxy.cfg");
        let config = format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
             listen front\n  bind {address}\n  source {source}\n  server gateway {to} send-proxy-v2\n"
        );
        std::fs::write(&file, config).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let mut command = Command::new("haproxy");
        command.env("PATH", path).args(["-db", "-f"]).arg(&file).stderr(Stdio::null());
        let process = Process::spawn(&mut command).expect("haproxy is there: `tests/tools/install servers`");
        soon(async || TcpStream::connect(address).await.ok()).await;
        Self { _process: process, address, _folder: folder }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_address_is_known_behind_haproxy() {
    let onfido = Echo::start().await;
    let gateway = gateway(&onfido, "127.0.0.7/32", "downstream = { max_connections_per_source = 2 }\n").await;
    let trusted = HaProxy::start(gateway.address(), BALANCER).await;
    let untrusted = HaProxy::start(gateway.address(), OTHER).await;
    let (caller, neighbour) = (Ipv4Addr::new(127, 0, 0, 7), Ipv4Addr::new(127, 0, 0, 8));

    let allowed = send_from(caller, trusted.address, GET.as_bytes()).await;
    let refused = send_from(neighbour, trusted.address, GET.as_bytes()).await;
    let same_bytes = send_from(caller, untrusted.address, GET.as_bytes()).await;
    let kept = GET.replace("Connection: close\r\n", "");
    let mut held =
        [connect_from(neighbour, trusted.address).await, connect_from(neighbour, trusted.address).await];
    let mut answers = Vec::new();
    for stream in &mut held {
        answers.push(status(&exchange(stream, kept.as_bytes()).await));
    }
    let third = send_from(neighbour, trusted.address, GET.as_bytes()).await;
    let beside = send_from(caller, trusted.address, GET.as_bytes()).await;

    assert_eq!((allowed, refused, same_bytes), (200, 401, 0));
    assert_eq!((answers, third, beside), (vec![401, 401], 0, 200), "the limit counts callers, not HAProxy");
}
