//! What a request costs while Seq and OpenTelemetry's collector are dead.

use std::fs;
use std::path::{Path, PathBuf};

use kyc_harness::gateway::{Gateway, Launch};
use kyc_harness::ports::free_address;
use kyc_sandbox::onfido::{self, Onfido, Recording};
use serde_json::json;
use tokio::net::TcpListener;

use kyc_chaos::sender::{Load, Sender};
use kyc_chaos::{Failure, progress};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Exports {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Calls in a second.
    pub rate: u64,
    /// Seconds of each measurement.
    pub seconds: u64,
    /// Rounds.
    pub rounds: u64,
}

/// Times of calls in milliseconds: p50 and p99.
pub type Times = (f64, f64);

/// One round: everything off, off once more (which is the noise), and both collectors dead.
pub type Round = [Times; 3];

/// Measures; in each round the order is another one.
///
/// # Errors
///
/// What could not be run, and calls that were not answered 200.
pub async fn run(exports: &Exports) -> Result<Vec<Round>, Failure> {
    let onfido =
        Onfido::start(onfido::Settings { recording: Recording::Nothing, ..Default::default() }).await?;
    onfido.add_account("acme", TOKEN);
    // One collector takes connections and says nothing, the other one is not there.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let gone = free_address()?;
    let seq = format!("http://{}", silent.local_addr()?);
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let folder = tempfile::tempdir()?;
    let calm = start(exports, folder.path(), &onfido, None, &[]).await?;
    let otlp = format!("http://{gone}");
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.as_str()), ("OTEL_BLRP_MAX_QUEUE_SIZE", "2000")];
    let dead = start(exports, folder.path(), &onfido, Some(&seq), &environment).await?;
    // Connections are made and queues are full before anything is measured.
    for gateway in [&calm, &dead] {
        measure(&Exports { seconds: WARM_UP, ..exports.clone() }, gateway).await?;
    }
    let mut rounds = Vec::new();
    for round in 0..exports.rounds {
        let mut measured = [(0.0, 0.0); 3];
        for turn in 0..3 {
            let place = usize::try_from((round + turn) % 3).unwrap_or_default();
            let gateway = if place == 2 { &dead } else { &calm };
            if let Some(times) = measured.get_mut(place) {
                *times = measure(exports, gateway).await?;
            }
        }
        let [off, again, dead] = measured;
        progress(&format!(
            "round {}: p99 {:.2} ms, again {:.2}, dead {:.2}",
            round + 1,
            off.1,
            again.1,
            dead.1
        ));
        rounds.push(measured);
    }
    holding.abort();
    let metrics = reqwest::get(format!("http://{}/metrics", dead.admin())).await;
    let metrics = metrics.map_err(|error| Failure(error.to_string()))?.text().await.unwrap_or_default();
    let has_dropped = |name: &&str| {
        let counter = format!("kyc_gateway_log_events_dropped_total{{collector=\"{name}\"}} ");
        metrics.lines().any(|line| line.strip_prefix(&counter).is_some_and(|count| count != "0"))
    };
    if !["seq", "otlp"].iter().all(has_dropped) {
        return Err(Failure("the collectors' queues were never full".to_owned()));
    }
    Ok(rounds)
}

async fn start(
    exports: &Exports,
    folder: &Path,
    onfido: &Onfido,
    seq: Option<&str>,
    environment: &[(&str, &str)],
) -> Result<Gateway, Failure> {
    let folder = folder.join(if seq.is_some() { "dead" } else { "off" });
    fs::create_dir(&folder)?;
    let mut document = json!({
        "Onfido-BaseUrl": onfido.base_url(),
        "Onfido-ApiTokens": json!([{
            "Name": "acme", "subscriptionId": "sub-acme", "apiToken": TOKEN, "webhookToken": "none",
            "ftosEndpoint": "http://127.0.0.1:9", "ftosUsername": "user", "ftosPassword": "password",
        }]).to_string(),
    });
    if let (Some(seq), Some(document)) = (seq, document.as_object_mut()) {
        document.insert("serilog-seq-logging".to_owned(), json!("true"));
        document.insert("serilog-seq-serverUrl".to_owned(), json!(seq));
        document.insert("serilog-seq-maxEventCount".to_owned(), json!("2000"));
    }
    fs::write(folder.join("tenants.json"), document.to_string())?;
    let config = folder.join("gateway.toml");
    fs::write(&config, CONFIG)?;
    let started =
        Gateway::start(Launch::new(&exports.binary, config).environment(environment.iter().copied())).await;
    started.map_err(|error| Failure(error.to_string()))
}

async fn measure(exports: &Exports, gateway: &Gateway) -> Result<Times, Failure> {
    let sending = Sender::start(Load {
        rate: exports.rate,
        tenants: 1,
        base: 0,
        lanes: 32,
        limit: exports.rate * exports.seconds,
        first: 0,
        gateways: vec![gateway.address()],
        request: call,
    });
    let sending = sending.wait().await?;
    if sending.broken + sending.other + sending.refused > 0 {
        return Err(Failure(format!("calls failed: {} broken, {} refused", sending.broken, sending.other)));
    }
    Ok((sending.percentile(0.5), sending.percentile(0.99)))
}

fn call(_: usize, _: u64) -> Vec<u8> {
    b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\n\r\n".to_vec()
}

/// Seconds.
const WARM_UP: u64 = 3;
const TOKEN: &str = "token-acme";
const CONFIG: &str = "[admin]\naddress = \"127.0.0.1:0\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n\
                      [doctor]\nenabled = false\n[tenants]\nsource = \"file\"\nfile.path = \"tenants.json\"\n\
                      [[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\n\
                      [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n";
