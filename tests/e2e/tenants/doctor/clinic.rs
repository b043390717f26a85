//! A tenant whose Onfido account and portal can be broken.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::SystemTime;

use kyc_harness::certificates::Authority;
use kyc_sandbox::onfido::{self, Onfido, Webhook};
use kyc_sandbox::portal::{self, Account, Portal};
use rustls::ServerConfig;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::support::gateway::{Gateway, Setup, binary, start, tenant};
use crate::support::world::{DIRECT, routes, with};
use crate::support::{install_crypto_provider, soon};

/// A tenant without a fault, whose portal has TLS.
pub(crate) struct Clinic {
    pub(crate) onfido: Onfido,
    pub(super) portal: Portal,
    pub(super) authority: Authority,
    pub(super) entrance: Entrance,
    pub(crate) gateway: Gateway,
}

/// The TLS side of a portal. A new certificate ends the connections that have the old one.
pub(super) struct Entrance {
    address: SocketAddr,
    /// `None`: each connection is closed at once.
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
}

// === impl Clinic ===

impl Clinic {
    pub(crate) async fn open() -> Self {
        install_crypto_provider();
        let onfido = Onfido::start(onfido::Settings::default()).await.unwrap();
        onfido.add_account("acme", TOKEN);
        onfido.put_webhook("acme", webhook());
        let account = Account {
            tenant: "acme".to_owned(),
            username: "user-acme".to_owned(),
            password: "password-acme".to_owned(),
            client_id: Some("client-acme".to_owned()),
        };
        let portal = Portal::start(portal::Settings::new(vec![account])).await.unwrap();
        let authority = Authority::new();
        let entrance = Entrance::open(portal.address(), authority.server(VALID)).await;
        let trusted = authority.folder().join("authority.pem");
        let settings = format!(
            "doctor.interval = \"1s\"\ndoctor.refused_login_pause = \"1s\"\nportal.ca_file = {trusted:?}\n{}",
            routes(DIRECT)
        );
        let entry = entry(&entrance);
        let setup = Setup::default().onfido(onfido.address()).tenants(vec![entry]).config(&settings);
        let gateway = start(setup).await;
        Self { onfido, portal, authority, entrance, gateway }
    }

    /// Changes the webhook.
    pub(crate) fn put(&self, change: impl FnOnce(&mut Webhook)) {
        let mut changed = webhook();
        change(&mut changed);
        self.onfido.put_webhook("acme", changed);
    }

    /// Waits until exactly these codes are in the metrics.
    pub(super) async fn wait_for(&self, codes: &[&str]) {
        let wanted: BTreeSet<String> = codes.iter().map(|code| (*code).to_owned()).collect();
        soon(async || (self.codes().await == wanted).then_some(())).await;
    }

    pub(super) async fn codes(&self) -> BTreeSet<String> {
        let metrics = self.gateway.metrics().await;
        let lines = metrics.lines().filter_map(|line| line.strip_prefix("kyc_gateway_tenant_findings{"));
        lines
            .filter(|line| line.contains("tenant=\"acme\""))
            .map(|line| line.split("code=\"").nth(1).unwrap().split('"').next().unwrap().to_owned())
            .collect()
    }

    /// The answer of the admin page about the tenant.
    pub(super) async fn report(&self) -> Value {
        let page = reqwest::get(self.gateway.admin("/admin/tenants/doctor?tenant=acme")).await.unwrap();
        let answer: Value = page.json().await.unwrap();
        answer["tenants"][0].clone()
    }

    /// The number of probes that began after a moment and not after another one.
    pub(super) fn probes(&self, after: SystemTime, until: SystemTime) -> usize {
        self.onfido.requests().inspect(|requests| {
            let lists = requests.iter().filter(|request| request.path == "/v3.6/webhooks");
            lists.filter(|request| request.at > after && request.at <= until).count()
        })
    }

    pub(super) async fn command(&self, arguments: &'static [&'static str]) -> Output {
        let admin = self.gateway.admin("");
        tokio::task::spawn_blocking(move || {
            Command::new(binary("kyc-gateway"))
                .args(["tenants"])
                .args(arguments)
                .args(["--admin", &admin])
                .output()
                .unwrap()
        })
        .await
        .unwrap()
    }
}

// === impl Entrance ===

impl Entrance {
    pub(super) async fn open(portal: SocketAddr, tls: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tls, current) = watch::channel(Some(Arc::new(tls)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut current = current.clone();
                let Some(tls) = current.borrow_and_update().clone() else { continue };
                tokio::spawn(async move {
                    tokio::select! {
                        () = relay(stream, tls, portal) => {}
                        _ = current.changed() => {}
                    }
                });
            }
        });
        Self { address, tls }
    }

    pub(super) fn set(&self, tls: Option<ServerConfig>) {
        self.tls.send_replace(tls.map(Arc::new));
    }
}

async fn relay(stream: TcpStream, tls: Arc<ServerConfig>, portal: SocketAddr) {
    let Ok(mut stream) = TlsAcceptor::from(tls).accept(stream).await else { return };
    let mut portal = TcpStream::connect(portal).await.unwrap();
    // The gateway closes the connection in its own time.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut portal).await;
}

fn webhook() -> Webhook {
    Webhook {
        id: "hook-acme".to_owned(),
        name: None,
        url: "https://gateway.test/dcs/kyc2/webhook/notify/acme".to_owned(),
        token: "sign-acme".to_owned(),
        enabled: true,
        events: vec!["report.completed".to_owned()],
        environments: vec!["live".to_owned()],
    }
}

pub(super) fn entry(entrance: &Entrance) -> Value {
    with(tenant("acme", &format!("https://{}/portal", entrance.address)), "apiToken", TOKEN)
}

pub(super) const TOKEN: &str = "api_live.acme";
/// The year in which the portal's certificate expires.
pub(super) const VALID: i32 = 2999;
