//! Calls that arrive while the gateway starts.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::gateway::{Setup, document, tenant};
use crate::support::raw::{exchange, status};
use crate::support::upstream::Echo;

/// With a socket unit no connection is refused during a restart, but calls were answered 503 until the tenants were loaded.
#[tokio::test(flavor = "multi_thread")]
async fn calls_before_the_first_tenants_wait_for_them() {
    let onfido = Echo::start().await;
    let source = "[tenants]\nsource = \"file\"\npoll = \"100ms\"\nfile.path = \"later.json\"\n";
    let gateway = Setup::default().source(source).spawn().await;
    let mut early = TcpStream::connect(gateway.address()).await.unwrap();
    let call = "GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\n\
                Connection: close\r\n\r\n";
    early.write_all(call.as_bytes()).await.unwrap();
    let before = reqwest::get(gateway.admin("/readyz")).await.unwrap().status().as_u16();

    let tenants =
        document(&format!("http://{}/v3.6", onfido.address), &[tenant("acme", "http://127.0.0.1:9")]);
    let draft = gateway.folder().join("draft.json");
    std::fs::write(&draft, tenants.to_string()).unwrap();
    std::fs::rename(draft, gateway.folder().join("later.json")).unwrap();
    let answer = exchange(&mut early, b"").await;

    assert_eq!((before, status(&answer)), (503, 200), "{answer}");
    gateway.stop().await;
}
