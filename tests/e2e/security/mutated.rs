//! Randomly mutated requests: the gateway answers or closes the connection, and keeps serving.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::gateway::{Setup, start};
use crate::support::raw::{Recorder, send, status};

const SEEDS: [&str; 5] = [
    "GET /dcs/kyc2/applicants?page=2 HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\n\r\n",
    "POST /dcs/kyc2/checks HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"report_names\":[\"document\"]}",
    "POST /dcs/kyc2/documents HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "POST /dcs/kyc2/webhook/notify/acme HTTP/1.1\r\nHost: gateway\r\nX-SHA2-Signature: 00\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "GET /dcs/kyc2/a HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\nConnection: keep-alive\r\n\r\nGET /dcs/kyc2/b HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\n\r\n",
];
const TOKENS: [&str; 18] = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "SubscriptionId: sub-globex\r\n",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "/../",
    "%00",
    "HTTP/9.9",
    "\u{ff}",
];
const CONNECTIONS: u64 = 16;

/// Changes one to four places.
fn mutate(random: &mut StdRng) -> Vec<u8> {
    let mut bytes = SEEDS[random.random_range(0..SEEDS.len())].as_bytes().to_vec();
    for _ in 0..random.random_range(1..=4) {
        let place = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[place] = random.random(),
            1 => bytes.insert(place, random.random()),
            2 => drop(bytes.remove(place)),
            3 => {
                let token = TOKENS[random.random_range(0..TOKENS.len())];
                drop(bytes.splice(place..place, token.bytes()));
            }
            4 => {
                let end = (place + random.random_range(1..40)).min(bytes.len());
                let part = bytes[place..end].to_vec();
                drop(bytes.splice(place..place, part));
            }
            _ => bytes.truncate(place.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(b'G');
        }
    }
    bytes
}

/// Sends each request over a connection of its own, closes its half, and counts answers by status; 0: none.
async fn send_all(gateway: std::net::SocketAddr, seed: u64, count: usize) -> BTreeMap<u16, usize> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut answers = BTreeMap::new();
    for number in 0..count {
        let request = mutate(&mut random);
        let mut stream = TcpStream::connect(gateway).await.unwrap();
        let _ = stream.write_all(&request).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "seed {seed}, request {number} hangs: {:?}", String::from_utf8_lossy(&request));
        *answers.entry(status(&String::from_utf8_lossy(&answer))).or_default() += 1;
    }
    answers
}

/// `MUTATED=100000` for the whole test.
#[tokio::test(flavor = "multi_thread")]
async fn mutated_requests_do_not_crash_the_gateway() {
    let wanted: usize = std::env::var("MUTATED").map_or(4000, |count| count.parse().unwrap());
    let upstream = Recorder::start().await;
    let limits = "[downstream]\nhead = \"2s\"\nread = \"2s\"\nbody = \"2s\"\n";
    let gateway = start(Setup::default().onfido(upstream.address).config(limits)).await;

    let senders = (0..CONNECTIONS).map(|seed| {
        tokio::spawn(send_all(gateway.address(), seed, wanted / usize::try_from(CONNECTIONS).unwrap()))
    });
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    for sender in senders.collect::<Vec<_>>() {
        for (status, count) in sender.await.unwrap() {
            *answers.entry(status).or_default() += count;
        }
    }
    let good = send(gateway.address(), SEEDS[0].as_bytes()).await;

    println!("{wanted} damaged requests, answers by status (0: closed without one): {answers:?}");
    assert_eq!(status(&good), 200, "{good}");
    let seen = String::from_utf8_lossy(&upstream.bytes()).to_ascii_lowercase();
    // A mutation can move the field into a body, which is forwarded unchanged.
    let is_in_head = |place: usize| {
        let before = &seen[..place];
        let line = before.rfind(" http/1.1\r\n").unwrap_or_default();
        !before[line..].contains("\r\n\r\n") && !before.ends_with("\r\n\r")
    };
    let went_on = seen.match_indices("\nsubscriptionid:").find(|(place, _)| is_in_head(*place));
    let around =
        went_on.and_then(|(place, _)| seen.get(place.saturating_sub(600)..(place + 200).min(seen.len())));
    assert!(went_on.is_none(), "the field went on: {around:?}");
    let known = [0, 100, 200, 400, 401, 403, 404, 405, 408, 413, 415, 417, 431, 502, 503, 504];
    assert!(answers.keys().all(|status| known.contains(status)), "{answers:?}");
    assert!(gateway.metrics().await.contains("kyc_gateway_panics_total 0"), "something panicked");
    let log = gateway.stop().await;
    assert!(!log.contains("panicked"), "{log}");
}
