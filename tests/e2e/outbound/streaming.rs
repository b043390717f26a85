//! Bodies are streamed: large uploads and downloads need little memory.

use futures::StreamExt;

use crate::support::gateway::{Setup, start};
use crate::support::upstream::Echo;

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_add_little_to_the_peak_memory() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;
    let client = reqwest::Client::new();
    let small =
        client.get(gateway.url("/dcs/kyc2/applicants")).header("SubscriptionId", "sub-acme").send().await;
    assert_eq!(small.unwrap().status(), 200);
    let before = gateway.peak_memory();

    let upload = client
        .post(gateway.url("/dcs/kyc2/documents"))
        .header("SubscriptionId", "sub-acme")
        .header("Content-Type", "multipart/form-data; boundary=x")
        .body(vec![b'a'; 10 * MIB])
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let mut download = client
        .get(gateway.url(&format!("/dcs/kyc2/documents/1/download/{}", 200 * MIB)))
        .header("SubscriptionId", "sub-acme")
        .send()
        .await
        .unwrap()
        .bytes_stream();
    let mut received = 0;
    while let Some(chunk) = download.next().await {
        received += chunk.unwrap().len();
    }

    let added = gateway.peak_memory() - before;
    assert!(upload.contains(&format!("body-length: {}", 10 * MIB)), "{upload}");
    assert_eq!(received, 200 * MIB);
    assert!(added < 16 * 1024, "the peak grew by {added} KiB");
    println!("peak before {before} KiB, added {added} KiB");
    gateway.stop().await;
}
