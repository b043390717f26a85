//! The attacks of every published advisory on Pingora and on its HTTP/2 library h2, run against the gateway (RustSec's database of
//! August 2026: pingora-core, pingora-cache, h2).

use kyc_harness::certificates::Authority;

use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    fields, frame,
};
use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{Recorder, send, status};
use crate::support::upstream::Echo;

const HIDDEN: &str = "GET /dcs/kyc2/hidden HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-globex\r\n\r\n";

fn post(version: &str, fields: &str, body: &str) -> String {
    format!(
        "POST /dcs/kyc2/applicants HTTP/{version}\r\nHost: g\r\nSubscriptionId: sub-acme\r\n{fields}\r\n{body}"
    )
}

/// Sends a request that hides another one. Returns what the caller and the upstream received.
async fn smuggle(request: &str) -> (String, String) {
    let upstream = Recorder::start().await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;
    let answer = send(gateway.address(), request.as_bytes()).await;
    gateway.stop().await;
    (answer, String::from_utf8_lossy(&upstream.bytes()).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn cve_2025_4366_unread_body_is_not_parsed_as_the_next_request() {
    let refused = format!(
        "POST /dcs/kyc2/applicants HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-nobody\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    );
    let chunked = format!(
        "POST /nowhere HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{HIDDEN}\r\n0\r\n\r\n",
        HIDDEN.len()
    );

    for (request, expected) in [(refused, 401), (chunked, 404)] {
        let (answer, seen) = smuggle(&request).await;
        assert_eq!((status(&answer), seen.as_str()), (expected, ""), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cve_2026_2833_no_bytes_are_forwarded_after_an_upgrade() {
    for upgrade in ["websocket", "h2c", "foo/2", "TLS/1.0"] {
        let fields = format!("Connection: Upgrade\r\nUpgrade: {upgrade}\r\n");
        for request in [
            post("1.1", &fields, HIDDEN),
            format!(
                "GET /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n{fields}\r\n{HIDDEN}"
            ),
        ] {
            let (answer, seen) = smuggle(&request).await;
            assert_eq!((status(&answer), seen.as_str()), (400, ""), "{upgrade}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cve_2026_2835_ambiguous_bodies_are_refused() {
    let chunk = format!("0\r\n\r\n{HIDDEN}");
    let rows = [
        ("1.0 with a coding", post("1.0", "Transfer-Encoding: chunked\r\n", &chunk)),
        (
            "1.0 with both",
            post(
                "1.0",
                &format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", chunk.len()),
                &chunk,
            ),
        ),
        (
            "1.0, kept, with a coding",
            post("1.0", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", &chunk),
        ),
        ("codings in a list", post("1.1", "Transfer-Encoding: identity, chunked\r\n", &chunk)),
        ("chunked not last", post("1.1", "Transfer-Encoding: chunked, identity\r\n", &chunk)),
        ("chunked twice", post("1.1", "Transfer-Encoding: chunked, chunked\r\n", &chunk)),
        (
            "codings in two lines",
            post("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &chunk),
        ),
        ("another version", post("1.2", "Transfer-Encoding: chunked\r\n", &chunk)),
    ];

    for (what, request) in rows {
        let (answer, seen) = smuggle(&request).await;
        assert_eq!((status(&answer), seen.as_str()), (400, ""), "{what}: {answer}");
    }
    // An HTTP/1.0 request without a length has no body; the following bytes do not belong to it.
    let (answer, seen) = smuggle(&post("1.0", "", HIDDEN)).await;
    assert!(!seen.contains("hidden") && !seen.contains("token-globex"), "{answer}{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cve_2026_2836_no_response_is_cached_for_another_tenant() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;

    for (tenant, host) in [("acme", "a"), ("globex", "a"), ("acme", "b"), ("acme", "a")] {
        let request = format!(
            "GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: {host}\r\nSubscriptionId: sub-{tenant}\r\nConnection: close\r\n\r\n"
        );
        let answer = send(gateway.address(), request.as_bytes()).await;
        assert!(answer.contains(&format!("Token token=token-{tenant}")), "{answer}");
    }

    assert_eq!(onfido.requests(), 4);
    gateway.stop().await;
}

type Piece = fn(u32) -> Vec<u8>;

/// A gateway with HTTP/2, and its peers.
struct Landscape {
    authority: Authority,
    onfido: Echo,
    gateway: Gateway,
}

impl Landscape {
    async fn start() -> Self {
        let (authority, onfido) = (Authority::new(), Echo::start().await);
        let listener = format!(
            "[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}",
            authority.listener_tls()
        );
        let gateway = start(Setup::default().onfido(onfido.address).config(&listener)).await;
        Self { authority, onfido, gateway }
    }

    /// Sends pieces until the gateway closes the connection. Returns how many it accepted.
    async fn flood(&self, first: Vec<u8>, piece: impl Fn(u32) -> Vec<u8>, pieces: u32) -> u32 {
        let mut connection = Frames::connect(&self.authority, self.gateway.address()).await;
        connection.send(&first).await;
        let mut batch = Vec::new();
        for number in 0..pieces {
            batch.extend(piece(number));
            if batch.len() > 16 * 1024 {
                if !connection.send(&batch).await {
                    return number;
                }
                batch.clear();
            }
        }
        pieces
    }

    /// Asserts that other callers are served, and that the memory did not grow.
    async fn is_well(&self, what: &str, taken: u32) {
        let client = reqwest::Client::builder()
            .tls_certs_only([self.authority.certificate()])
            .resolve("gateway.test", self.gateway.address())
            .build()
            .unwrap();
        let url = format!("https://gateway.test:{}/dcs/kyc2/applicants", self.gateway.address().port());
        let answer = client.get(url).header("SubscriptionId", "sub-acme").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{what}");
        let peak = self.gateway.peak_memory() / 1024;
        println!(
            "{what}: {taken} pieces taken, peak memory {peak} MiB, {} upstream calls",
            self.onfido.requests()
        );
        assert!(peak < 250, "{what}: {peak} MiB");
    }
}

fn request(stream: u32, flags: u8) -> Vec<u8> {
    let block = fields(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "gateway.test"),
        (":path", "/dcs/kyc2/applicants"),
        ("subscriptionid", "sub-acme"),
    ]);
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

fn stream(number: u32) -> u32 {
    2 * number + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn cve_2023_44487_and_rustsec_2023_0034_streams_that_the_peer_resets_at_once() {
    let landscape = Landscape::start().await;
    let open_and_reset = |number| {
        let mut pair = request(stream(number), END_STREAM);
        pair.extend(frame(RST_STREAM, 0, stream(number), &8u32.to_be_bytes()));
        pair
    };

    let taken = landscape.flood(Vec::new(), open_and_reset, 100_000).await;

    landscape.is_well("rapid reset", taken).await;
    assert!(taken < 100_000, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn cve_2025_8671_streams_that_the_peer_makes_the_gateway_reset() {
    let landscape = Landscape::start().await;
    // A WINDOW_UPDATE with an increment of 0 is a stream error (RFC 9113, section 6.9).
    let open_and_break = |number| {
        let mut pair = request(stream(number), END_STREAM);
        pair.extend(frame(WINDOW_UPDATE, 0, stream(number), &0u32.to_be_bytes()));
        pair
    };

    let taken = landscape.flood(Vec::new(), open_and_break, 100_000).await;

    landscape.is_well("made to reset", taken).await;
    assert!(taken < 100_000, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn rustsec_2024_0003_and_2024_0332_endless_heads() {
    let landscape = Landscape::start().await;
    let head = frame(HEADERS, 0, 1, &fields(&[(":method", "GET"), (":path", "/")]));
    let more = |number: u32| {
        let name = format!("x-{number}");
        frame(CONTINUATION, 0, 1, &fields(&[(&name, &"v".repeat(200))]))
    };

    let taken = landscape.flood(head, more, 100_000).await;

    landscape.is_well("CONTINUATION flood", taken).await;
    assert!(taken < 100_000, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn rustsec_2026_0258_and_related_floods_of_empty_frames() {
    let landscape = Landscape::start().await;
    let nothing: [(&str, Piece); 4] = [
        ("empty DATA", |_| frame(DATA, 0, 1, &[])),
        ("PING", |_| frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", |_| frame(SETTINGS, 0, 0, &[])),
        ("WINDOW_UPDATE", |_| frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes())),
    ];

    for (what, piece) in nothing {
        let taken = landscape.flood(request(1, 0), piece, 100_000).await;
        landscape.is_well(what, taken).await;
    }
}
