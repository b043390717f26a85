//! A simulated Onfido behind Prism, a portal, and the command line of an operator.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kyc_harness::prism::Prism;
use kyc_sandbox::onfido::{self, Onfido, Webhook};
use kyc_sandbox::portal::{self, Account, Portal};
use serde_json::{Value, json};

use crate::operations::operate::said;
use crate::support::bao::OpenBao;
use crate::support::gateway::binary;
use crate::support::install_crypto_provider;
use crate::tenants::setup::relay::Relay;

/// Accounts at Onfido and at the portal for each name, and a configuration whose document has no tenants.
pub(super) struct Office {
    pub(super) onfido: Onfido,
    pub(super) portal: Portal,
    pub(super) prism: Prism,
    /// Before Prism.
    pub(super) relay: Relay,
    folder: tempfile::TempDir,
}

// === impl Office ===

impl Office {
    pub(super) async fn open(names: &[String]) -> Self {
        install_crypto_provider();
        let onfido = Onfido::start(onfido::Settings::default()).await.unwrap();
        names.iter().for_each(|name| onfido.add_account(name, &format!("api_live.{name}")));
        let account = |name: &String| Account {
            tenant: name.clone(),
            username: format!("user-{name}"),
            password: format!("password-{name}"),
            client_id: Some("dcs".to_owned()),
        };
        let accounts = names.iter().map(account).collect();
        let portal = Portal::start(portal::Settings::new(accounts)).await.unwrap();
        let prism = Prism::proxy(&onfido.base_url()).await.unwrap();
        let relay = Relay::start(prism.address()).await;
        let folder = tempfile::tempdir().unwrap();
        let office = Self { onfido, portal, prism, relay, folder };
        std::fs::write(office.path("tenants.json"), office.empty_document().to_string()).unwrap();
        office.configure("");
        // As a gateway that has run leaves it.
        std::fs::create_dir(office.path("data")).unwrap();
        std::fs::write(office.path("data/audit.jsonl"), "").unwrap();
        for name in names {
            std::fs::write(office.path(&format!("subscription-{name}")), format!("sub-{name}\n")).unwrap();
            std::fs::write(office.path(&format!("token-{name}")), format!("api_live.{name}\n")).unwrap();
            std::fs::write(office.path(&format!("password-{name}")), format!("password-{name}\n")).unwrap();
        }
        office
    }

    /// The same, with OpenBao as the source of the document. Returns also the file of a token that may write it.
    pub(super) async fn open_with_vault(names: &[String]) -> (Self, OpenBao, PathBuf) {
        let (office, bao) = tokio::join!(Self::open(names), OpenBao::start());
        bao.mount_kv("2").await;
        bao.write("2", office.empty_document()).await;
        let (reader, writer) = (office.path("reader"), office.path("writer"));
        std::fs::write(&reader, bao.token().await).unwrap();
        std::fs::write(&writer, "root").unwrap();
        office.configure_vault(&bao.address, &reader);
        (office, bao, writer)
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the configuration with more sections.
    pub(super) fn configure(&self, sections: &str) {
        let config = format!(
            "delivery.mode = \"direct\"\ndoctor.notification_url = \"https://gateway.test/dcs/kyc2/webhook/notify\"\n{sections}"
        );
        std::fs::write(self.path("gateway.toml"), config).unwrap();
    }

    /// Configures Vault as the source, with the token of a file.
    pub(super) fn configure_vault(&self, address: &str, token_file: &Path) {
        self.configure(&format!(
            "[tenants]\nsource = \"vault\"\n[tenants.vault]\naddress = \"{address}\"\nmount = \"kv\"\nauth = \"token\"\n\
             token_file = {token_file:?}\n"
        ));
    }

    /// Adds a tenant, which must succeed.
    pub(super) async fn added(&self, name: &str) {
        let added = run(self.add(name)).await;
        assert!(added.status.success(), "{}", said(&added));
    }

    pub(super) fn empty_document(&self) -> Value {
        json!({ "Onfido-BaseUrl": format!("http://{}", self.relay.address), "Onfido-ApiTokens": "[]", "x": "kept" })
    }

    /// `tenants OPERATION NAME` with this configuration.
    pub(super) fn command(&self, operation: &str, name: &str) -> Command {
        self.with_config(bare(operation, name))
    }

    /// `tenants add NAME` with all values and this configuration.
    pub(super) fn add(&self, name: &str) -> Command {
        self.with_config(self.add_without_config(name))
    }

    fn with_config(&self, mut command: Command) -> Command {
        command.arg("--config").arg(self.path("gateway.toml"));
        command
    }

    /// `tenants add NAME` with all values.
    pub(super) fn add_without_config(&self, name: &str) -> Command {
        let mut command = bare("add", name);
        command
            .arg("--subscription-id-file")
            .arg(self.path(&format!("subscription-{name}")))
            .arg("--api-token-file")
            .arg(self.path(&format!("token-{name}")))
            .args(["--ftos-endpoint", &self.portal.url(), "--ftos-username", &format!("user-{name}")])
            .args(["--ftos-client-id", "dcs", "--ftos-password-file"])
            .arg(self.path(&format!("password-{name}")));
        command
    }

    /// Takes the lock of the document's folder when that many commands begin to change webhooks at Onfido.
    pub(super) fn lock_at_changes(&self, changes: usize) {
        self.relay.lock_at_changes(changes, self.folder.path().to_owned());
    }

    /// The entries of the file.
    pub(super) fn entries(&self) -> Vec<Value> {
        entries(&serde_json::from_slice(&std::fs::read(self.path("tenants.json")).unwrap()).unwrap())
    }

    /// The webhooks of an account.
    pub(super) async fn webhooks(&self, name: &str) -> Vec<Value> {
        webhooks(self.onfido.address(), &format!("api_live.{name}")).await
    }

    /// Replaces the token of a webhook that the tenant's account has.
    pub(super) fn put_webhook(&self, name: &str, webhook: Webhook) {
        self.onfido.put_webhook(name, webhook);
    }
}

/// `tenants OPERATION NAME`.
pub(super) fn bare(operation: &str, name: &str) -> Command {
    let mut command = Command::new(binary("kyc-gateway"));
    command.args(["tenants", operation, name]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The entries of a document.
pub(super) fn entries(document: &Value) -> Vec<Value> {
    serde_json::from_str(document["Onfido-ApiTokens"].as_str().unwrap()).unwrap()
}

async fn webhooks(onfido: SocketAddr, token: &str) -> Vec<Value> {
    let request = reqwest::Client::new()
        .get(format!("http://{onfido}/v3.6/webhooks"))
        .header("Authorization", format!("Token token={token}"));
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    serde_json::from_value(answer["webhooks"].take()).unwrap()
}

/// A command with more arguments.
pub(super) fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

/// The result of a command with `--json`.
pub(super) fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A result of a recorded change without its record, which must be in the file of the office.
pub(super) fn without_record(mut result: Value) -> Value {
    let record = result.as_object_mut().unwrap().remove("audit_record").unwrap();
    assert!(record["number"].is_u64(), "{record}");
    assert!(record["in"].as_str().unwrap().ends_with("/data/audit.jsonl"), "{record}");
    result
}

/// Runs a command to its end.
pub(super) async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Runs a command and kills it (SIGKILL) when it says that this step begins. Returns what it said.
pub(super) async fn kill_at(mut command: Command, step: usize) -> String {
    let kill = move || {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let marker = format!("step {step}:");
        let mut said = String::new();
        for line in lines.by_ref().map_while(Result::ok) {
            said.push_str(&line);
            said.push('\n');
            if line.starts_with(&marker) {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        assert!(said.contains(&marker), "step {step} did not begin: {said}{out}");
        said
    };
    tokio::task::spawn_blocking(kill).await.unwrap()
}
