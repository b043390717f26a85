//! Floods of HTTP/2 control frames, which close the connection with ENHANCE_YOUR_CALM.

use std::time::Duration;

use futures::StreamExt;
use kyc_harness::certificates::Authority;

use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, PING, PRIORITY, SETTINGS, WINDOW_UPDATE, fields,
    frame,
};
use crate::support::gateway::{Gateway, Setup, start};
use crate::support::upstream::Echo;

/// The default of `http2_control_frames`, plus the credit of a request and of some seconds.
const MOST: usize = 1000 + 100 + 100;
const ENHANCE_YOUR_CALM: u32 = 0xb;

async fn gateway(authority: &Authority, onfido: &Echo) -> Gateway {
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    start(Setup::default().onfido(onfido.address).config(&listener)).await
}

fn request(method: &str, path: &str) -> Vec<u8> {
    fields(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "gateway.test"),
        (":path", path),
        ("subscriptionid", "sub-acme"),
    ])
}

/// The CPU time of the gateway, in hundredths of a second.
fn cpu(gateway: &Gateway) -> u64 {
    let stat = gateway.kernel("stat");
    let after_name = stat.rsplit(')').next().unwrap();
    after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// A flood of these frames used half a CPU core until its sender closed the connection.
#[tokio::test(flavor = "multi_thread")]
async fn control_frame_flood_closes_its_connection_with_enhance_your_calm() {
    let (authority, onfido) = (Authority::new(), Echo::start().await);
    let gateway = gateway(&authority, &onfido).await;
    let floods = [
        ("PING", frame(PING, 0, 0, b"flooding")),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("WINDOW_UPDATE of a stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        // h2 itself counts these.
        ("empty DATA", frame(DATA, 0, 1, &[])),
        ("a kind of frame that nobody knows", frame(0xfa, 0, 0, b"?")),
    ];

    for (name, bytes) in &floods {
        let mut caller = Frames::connect(&authority, gateway.address()).await;
        caller.send(&frame(HEADERS, END_HEADERS, 1, &request("POST", "/dcs/kyc2/documents"))).await;
        let before = cpu(&gateway);
        caller.send(&bytes.repeat(MOST)).await;

        let told = caller.farewell().await;

        println!("{name}: ended within {MOST} frames, CPU {} ms", (cpu(&gateway) - before) * 10);
        assert_eq!(told, Some(ENHANCE_YOUR_CALM), "{name}");
    }
    let metrics = gateway.metrics().await;
    let counted = format!(
        r#"kyc_gateway_downstream_connections_ended_total{{listener="main",reason="control_frames"}} {}"#,
        floods.len() - 1
    );
    assert!(metrics.contains(&counted), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn goaway_is_never_written_inside_another_frame() {
    let (authority, onfido) = (Authority::new(), Echo::start().await);
    let gateway = gateway(&authority, &onfido).await;
    let path = format!("/dcs/kyc2/documents/1/download/{}", 8 * 1024 * 1024);

    for _ in 0..20 {
        let mut caller = Frames::connect(&authority, gateway.address()).await;
        // The largest window, so that the gateway is always in the middle of a frame that the caller has not read.
        let mut begin = frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
        begin.extend(frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]));
        begin.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", &path)));
        caller.send(&begin).await;
        // More than ten times the initial budget, which is the largest credit of the download.
        caller.send(&frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]).repeat(12_000)).await;

        let told = caller.farewell().await;

        assert_eq!(told, Some(ENHANCE_YOUR_CALM));
    }
}

/// A connection that is closed with unread bytes is reset, and its peer may lose the GOAWAY behind what it has not read.
#[tokio::test(flavor = "multi_thread")]
async fn flooded_connection_is_read_until_its_peer_closes() {
    let (authority, onfido) = (Authority::new(), Echo::start().await);
    let gateway = gateway(&authority, &onfido).await;
    let mut caller = Frames::connect(&authority, gateway.address()).await;
    caller.send(&frame(PING, 0, 0, b"flooding").repeat(10 * MOST)).await;

    let told = caller.farewell().await;

    assert_eq!(told, Some(ENHANCE_YOUR_CALM));
    let flood = frame(PING, 0, 0, b"flooding").repeat(MOST);
    for _ in 0..20 {
        assert!(caller.send(&flood).await, "the connection was reset");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_callers_do_not_get_enhance_your_calm() {
    let (authority, onfido) = (Authority::new(), Echo::start().await);
    let gateway = gateway(&authority, &onfido).await;
    let client = reqwest::Client::builder()
        .tls_certs_only([authority.certificate()])
        .resolve("gateway.test", gateway.address())
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(Duration::from_secs(1))
        .build()
        .unwrap();
    let url = |path: &str| format!("https://gateway.test:{}/dcs/kyc2/{path}", gateway.address().port());
    let call = |path: String| client.get(url(&path)).header("SubscriptionId", "sub-acme").send();

    let mut received = 0;
    let mut download = call(format!("documents/1/download/{}", 64 << 20)).await.unwrap().bytes_stream();
    while let Some(piece) = download.next().await {
        received += piece.unwrap().len();
    }
    let upload = client.post(url("documents")).header("SubscriptionId", "sub-acme");
    let uploaded =
        upload.header("Content-Type", "text/plain").body(vec![b'a'; 16 << 20]).send().await.unwrap();
    let small = futures::stream::iter(0..2000).map(|_| call("applicants".to_owned())).buffer_unordered(50);
    let answered = small.filter(|answer| std::future::ready(answer.is_ok())).count().await;
    let mut caller = Frames::connect(&authority, gateway.address()).await;
    for stream in (1..400).step_by(2) {
        caller
            .send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/dcs/kyc2/applicants")))
            .await;
        caller.send(&frame(PING, 0, 0, b"how far?").repeat(20)).await;
        assert_eq!(caller.end(stream).await, End::Answered, "stream {stream}");
    }

    assert_eq!((received, uploaded.status().as_u16(), answered), (64 << 20, 200, 2000));
    let metrics = gateway.metrics().await;
    assert!(!metrics.contains("kyc_gateway_downstream_connections_ended_total{"), "{metrics}");
}
