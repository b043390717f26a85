//! Uploads over HTTP/2 that end as ordinary clients end them, beside the calls of another tenant: nothing of one may be left
//! on a connection that the other's calls take.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kyc_harness::certificates::Authority;
use kyc_harness::gateway::{Gateway, Launch};
use kyc_sandbox::strict::Strict;
use reqwest::{Body, Client};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::sender::{Load, Sender};
use crate::{Failure, progress};

/// What is tried.
#[derive(Clone, Debug)]
pub struct Uploads {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Uploads of one tenant,
    pub uploads: u64,
    /// and calls of another.
    pub calls: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Uploads and calls that were answered 200,
    pub answered: (u64, u64),
    /// and that were not.
    pub failed: (u64, u64),
    /// What the upstream read,
    pub requests: usize,
    /// over so many connections,
    pub connections: usize,
    /// of which so many had bytes where a request should have begun,
    pub desynchronised: usize,
    /// or the requests of more than one tenant.
    pub shared: usize,
    /// How long it took.
    pub took: Duration,
}

// === impl Found ===

impl Found {
    /// Says whether nothing failed, and each connection was one tenant's, with one end for each body.
    pub fn holds(&self) -> bool {
        self.failed == (0, 0) && self.desynchronised == 0 && self.shared == 0
    }

    fn judge(&mut self, upstream: &Strict) {
        let connections = upstream.connections();
        self.requests = upstream.requests();
        self.connections = connections.len();
        self.desynchronised = connections.iter().filter(|connection| connection.surplus.is_some()).count();
        let has = |requests: &[String], name: &str| {
            requests.iter().any(|head| head.contains(&format!("token-{name}")))
        };
        let is_shared = |requests: &[String]| has(requests, "uploads") && has(requests, "calls");
        self.shared = connections.iter().filter(|connection| is_shared(&connection.requests)).count();
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} uploads over HTTP/2 beside {} calls, {:.0} s: {} and {} failed; upstream: {} requests over {} connections, \
             {} with surplus bytes, {} with two tenants",
            self.answered.0,
            self.answered.1,
            self.took.as_secs_f64(),
            self.failed.0,
            self.failed.1,
            self.requests,
            self.connections,
            self.desynchronised,
            self.shared
        )
    }
}

/// Sends both.
///
/// # Errors
///
/// What could not be run.
pub async fn run(options: &Uploads) -> Result<Found, Failure> {
    let upstream = Strict::start(ANSWER, false).await?;
    let folder = tempfile::tempdir()?;
    let authority = Authority::new();
    write(folder.path(), upstream.address(), &authority)?;
    let started = Gateway::start(Launch::new(&options.binary, folder.path().join("gateway.toml"))).await;
    let gateway = started.map_err(|error| Failure(error.to_string()))?;
    let tls = gateway.log().listener("tls").await;
    let client =
        Client::builder().tls_certs_only([authority.certificate()]).resolve("gateway.test", tls).build();
    let client = client.map_err(|error| Failure(error.to_string()))?;
    let begun = Instant::now();
    let calls = Sender::start(Load {
        rate: CALLS_IN_A_SECOND,
        tenants: 1,
        base: 0,
        lanes: 16,
        limit: options.calls,
        first: 0,
        gateways: vec![gateway.address()],
        request: |_, _| {
            b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-calls\r\n\r\n"
                .to_vec()
        },
    });
    let mut found = Found::default();
    let (next, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut lanes = JoinSet::new();
    let url = format!("https://gateway.test:{}/dcs/kyc2/documents", tls.port());
    for _ in 0..UPLOAD_LANES {
        lanes.spawn(upload_all(
            client.clone(),
            url.clone(),
            options.uploads,
            Arc::clone(&next),
            Arc::clone(&failed),
        ));
    }
    while lanes.join_next().await.is_some() {}
    progress("uploads are done");
    let sending = calls.wait().await?;
    found.took = begun.elapsed();
    found.failed = (failed.load(Ordering::Relaxed), sending.refused + sending.broken + sending.other);
    found.answered = (options.uploads - found.failed.0, sending.accepted.len() as u64);
    found.judge(&upstream);
    Ok(found)
}

/// Writes configuration and tenants.
fn write(folder: &Path, upstream: SocketAddr, authority: &Authority) -> Result<(), Failure> {
    let tenant = |name: &str| {
        json!({
            "Name": name, "subscriptionId": format!("sub-{name}"), "apiToken": format!("token-{name}"),
            "ftosEndpoint": "http://127.0.0.1:9", "ftosUsername": "user", "ftosPassword": "password",
        })
    };
    let document = json!({
        "Onfido-BaseUrl": format!("http://{upstream}/v3.6"),
        "Onfido-ApiTokens": json!([tenant("uploads"), tenant("calls")]).to_string(),
        "serilog-logLevel": "Error",
    });
    fs::write(folder.join("tenants.json"), document.to_string())?;
    let config = format!("{LISTENERS}{}{TENANTS_AND_ROUTES}", authority.listener_tls());
    Ok(fs::write(folder.join("gateway.toml"), config)?)
}

/// Each body is a stream, whose length nobody knows: its end is an empty DATA frame.
async fn upload_all(client: Client, url: String, uploads: u64, next: Arc<AtomicU64>, failed: Arc<AtomicU64>) {
    while next.fetch_add(1, Ordering::Relaxed) < uploads {
        let parts = [[b'a'; 700].to_vec(), [b'b'; 9000].to_vec()].map(Ok::<_, std::io::Error>);
        let body = Body::wrap_stream(futures::stream::iter(parts));
        let sent = client.post(&url).header("SubscriptionId", "sub-uploads").body(body).send().await;
        if !sent.is_ok_and(|answer| answer.status() == 200 && answer.version() == http::Version::HTTP_2) {
            failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

const UPLOAD_LANES: usize = 4;
const CALLS_IN_A_SECOND: u64 = 4000;
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const LISTENERS: &str = "[admin]\naddress = \"127.0.0.1:0\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n\
                         [[listeners]]\nname = \"tls\"\naddress = \"127.0.0.1:0\"\n";
const TENANTS_AND_ROUTES: &str = "[doctor]\nenabled = false\n[tenants]\nsource = \"file\"\nfile.path = \"tenants.json\"\n\
                                  [[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\n\
                                  [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n";
