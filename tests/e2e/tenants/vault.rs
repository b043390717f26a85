//! Logins to a real Vault API server with a lifetime of a second, outages of Vault, and reloads on request.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use httpmock::MockServer;
use serde_json::{Value, json};

use crate::support::bao::OpenBao;
use crate::support::gateway::{Gateway, Setup, binary, document, start, tenant};
use crate::support::methods::{certificate_method, jwt_method, kubernetes_method};
use crate::support::upstream::Echo;

const NOWHERE: &str = "http://127.0.0.1:9/portal";

/// The configuration of a Vault source with a short poll interval and the additional settings `auth`.
fn source(bao: &OpenBao, poll: &str, auth: &str) -> String {
    format!(
        "[tenants]\nsource = \"vault\"\npoll = \"{poll}\"\n[tenants.vault]\naddress = \"{}\"\nmount = \"kv\"\n{auth}\n",
        bao.address
    )
}

async fn prepare(bao: &OpenBao, onfido: &Echo) {
    bao.mount_kv("2").await;
    write(bao, onfido, &["acme"]).await;
}

async fn write(bao: &OpenBao, onfido: &Echo, names: &[&str]) {
    let tenants: Vec<Value> = names.iter().map(|name| tenant(name, NOWHERE)).collect();
    bao.write("2", document(&format!("http://{}/v3.6", onfido.address), &tenants)).await;
}

/// Load that continues until it is stopped; all calls must succeed.
struct Calls {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Calls {
    fn start(gateway: &Gateway) -> Self {
        let (stop, made, failed) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let url = gateway.url("/dcs/kyc2/applicants");
        let (stopped, count, failures) = (Arc::clone(&stop), Arc::clone(&made), Arc::clone(&failed));
        let task = tokio::spawn(async move {
            let client = reqwest::Client::new();
            while !stopped.load(Ordering::Relaxed) {
                let answer = client.get(&url).header("SubscriptionId", "sub-acme").send().await;
                let is_good = match answer {
                    Ok(answer) if answer.status() == 200 => {
                        answer.text().await.unwrap().contains("Token token=token-acme")
                    }
                    Ok(_) | Err(_) => false,
                };
                count.fetch_add(1, Ordering::Relaxed);
                failures.fetch_add(usize::from(!is_good), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        Self { stop, made, failed, task }
    }

    /// Stops the load. Returns the number of calls and of failed ones.
    async fn stop(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        (self.made.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

async fn wait_for_log(gateway: &Gateway, text: &str, times: usize) {
    for _ in 0..6000 {
        if gateway.log().matches(text).count() >= times {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{text} is not {times} times in {}", gateway.log());
}

#[expect(clippy::too_many_lines, reason = "one login after the other")]
#[tokio::test(flavor = "multi_thread")]
async fn every_vault_login_survives_twenty_expiries_without_a_failed_call() {
    const EXPIRIES: usize = 20;
    let (onfido, bao) = (Echo::start().await, OpenBao::start().await);
    prepare(&bao, &onfido).await;
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };

    let (role_id, secret_id) = bao.app_role("1s").await;
    let wrapped = bao.wrapped_secret_id().await;
    let jwt = jwt_method(&bao, "jwt", "gateway").await;
    let azure = jwt_method(&bao, "azure", "managed-identity").await;
    let machine = MockServer::start_async().await;
    let identity = machine
        .mock_async(|when, then| {
            when.method("GET").path("/metadata/identity/oauth2/token").header("Metadata", "true");
            then.status(200).json_body(json!({ "access_token": azure, "token_type": "Bearer" }));
        })
        .await;
    let (service_account, cluster) = kubernetes_method(&bao).await;
    let secure = OpenBao::start_tls().await;
    prepare(&secure, &onfido).await;
    let (certificate, key) = certificate_method(&secure).await;
    // Issued last: it expires unless it is renewed in time, and seven gateways share the machine.
    let periodic = bao.periodic_token("6s").await;
    let logins = [
        ("token", &bao, format!("token_file = {:?}", file("token", &periodic))),
        (
            "approle",
            &bao,
            format!(
                "auth = \"approle\"\nrole_id = \"{role_id}\"\nsecret_id_file = {:?}",
                file("id", &secret_id)
            ),
        ),
        (
            "wrapped approle",
            &bao,
            format!(
                "auth = \"approle\"\nrole_id = \"{role_id}\"\nsecret_id_wrapped = true\nsecret_id_file = {:?}",
                file("wrapped", &wrapped)
            ),
        ),
        ("jwt", &bao, format!("auth = \"jwt\"\nrole = \"kyc\"\njwt_file = {:?}", file("jwt", &jwt))),
        (
            "kubernetes",
            &bao,
            format!(
                "auth = \"kubernetes\"\nrole = \"kyc\"\njwt_file = {:?}",
                file("account", &service_account)
            ),
        ),
        (
            "azure",
            &bao,
            format!("auth = \"azure\"\nrole = \"kyc\"\nazure_endpoint = \"http://{}\"", machine.address()),
        ),
        (
            "cert",
            &secure,
            format!(
                "auth = \"cert\"\nca_file = {:?}\ncertificate_file = {:?}\nkey_file = {:?}",
                secure.ca(),
                file("certificate", &certificate),
                file("key", &key)
            ),
        ),
    ];

    let mut running = Vec::new();
    for (name, bao, auth) in &logins {
        let gateway = start(Setup::default().source(&source(bao, "200ms", auth))).await;
        let calls = Calls::start(&gateway);
        running.push((*name, gateway, calls));
    }
    for (name, gateway, _) in &running {
        if *name != "token" {
            wait_for_log(gateway, "logged in at vault", EXPIRIES + 1).await;
        }
    }
    let mut results = Vec::new();
    for (name, gateway, calls) in running {
        let (made, failed) = calls.stop().await;
        let log = gateway.stop().await;
        let count = |text: &str| log.matches(text).count();
        let (logins, failures) = (count("logged in at vault"), count("cannot refresh the tenants"));
        println!("{name}: {logins} logins, {failures} failed looks, {made} calls, {failed} failed");
        results.push((name, failed, failures, made > 100));
    }

    assert!(
        results.iter().all(|(_, failed, failures, many)| *failed == 0 && *failures == 0 && *many),
        "{results:?}"
    );
    assert!(identity.calls_async().await > EXPIRIES);
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_or_sealed_vault_fails_no_call() {
    let (onfido, mut bao) = (Echo::start().await, OpenBao::start_kept().await);
    prepare(&bao, &onfido).await;
    let (role_id, secret_id) = bao.app_role("2s").await;
    let auth = format!("auth = \"approle\"\nrole_id = \"{role_id}\"\nsecret_id_env = \"SECRET_ID\"");
    let setup = Setup::default().source(&source(&bao, "200ms", &auth)).environment("SECRET_ID", &secret_id);
    let gateway = start(setup).await;
    let calls = Calls::start(&gateway);

    // Vault is down for a minute, longer than the lifetime of the login.
    let back = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    bao.kill().await;
    wait_for_log(&gateway, "cannot refresh the tenants", 8).await;
    tokio::time::sleep_until(back).await;
    let ready = reqwest::get(gateway.admin("/readyz")).await.unwrap().status();
    bao.restart().await;
    wait_for_log(&gateway, "vault answered with status 503", 1).await;
    bao.unseal().await;
    write(&bao, &onfido, &["acme", "globex"]).await;
    wait_for_log(&gateway, "tenants changed", 2).await;
    bao.seal().await;
    wait_for_log(&gateway, "vault answered with status 503", 4).await;
    bao.unseal().await;
    write(&bao, &onfido, &["acme"]).await;
    wait_for_log(&gateway, "tenants changed", 3).await;

    let (made, failed) = calls.stop().await;
    println!("{made} calls while Vault was killed, restarted, sealed and unsealed, {failed} failed");
    assert_eq!((failed, ready.as_u16()), (0, 200));
    gateway.stop().await;
}

fn command(arguments: &[&str]) -> Output {
    Command::new(binary("kyc-gateway")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

async fn table(gateway: &Gateway) -> String {
    let admin = gateway.admin("");
    tokio::task::spawn_blocking(move || said(&command(&["tenants", "list", "--admin", &admin])))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_can_reload_the_document_and_list_the_tenants() {
    let (onfido, bao) = (Echo::start().await, OpenBao::start().await);
    prepare(&bao, &onfido).await;
    let setup =
        Setup::default().source(&source(&bao, "1h", "")).environment("VAULT_TOKEN", &bao.token().await);
    let gateway = start(setup).await;

    write(&bao, &onfido, &["acme", "globex"]).await;
    gateway.signal("-HUP");
    wait_for_log(&gateway, "tenants changed", 2).await;
    let two = table(&gateway).await;
    write(&bao, &onfido, &["acme", "globex", "initech"]).await;
    let asked = said(&command(&["tenants", "reload", "--reason", "test", "--admin", &gateway.admin("")]));
    wait_for_log(&gateway, "tenants changed", 3).await;
    let three = table(&gateway).await;
    // A deleted secret is an outage, not an empty table.
    bao.call("DELETE", "kv/data/dcs/kyc-onfido", Value::Null).await;
    gateway.signal("-HUP");
    wait_for_log(&gateway, "does not exist or is deleted", 1).await;
    let still = table(&gateway).await;

    assert!(asked.starts_with("vault secret kv/dcs/kyc-onfido"), "{asked}");
    assert!(asked.contains(" (version 3) was read: 3 tenants are served\nadded: initech\n"), "{asked}");
    assert!(two.contains("globex") && !two.contains("initech") && three.contains("initech"), "{two}{three}");
    assert_eq!(still, three);
    assert!(!["token-", "sub-", "password-", "hook-", "sign-"].iter().any(|secret| three.contains(secret)));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_check_logs_in_and_reports_on_each_tenant() {
    let (onfido, bao) = (Echo::start().await, OpenBao::start().await);
    prepare(&bao, &onfido).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, bao.token().await).unwrap();
    let config = folder.path().join("gateway.toml");
    let text = source(&bao, "10s", &format!("token_file = {token:?}"));
    std::fs::write(&config, format!("{text}\n[doctor]\nenabled = false\n")).unwrap();
    let check = |config: &Path| command(&["check", "--live", "--config", &config.display().to_string()]);

    let good = check(&config);
    let mut bad = tenant("globex", "no address");
    bad["apiToken"] = json!("");
    let tenants = [tenant("acme", NOWHERE), bad];
    bao.write("2", document(&format!("http://{}/v3.6", onfido.address), &tenants)).await;
    let mixed = check(&config);
    std::fs::write(&token, "wrong").unwrap();
    let denied = check(&config);

    let texts = [&good, &mixed, &denied].map(said);
    assert_eq!([&good, &mixed, &denied].map(|output| output.status.code()), [Some(0), Some(1), Some(3)]);
    assert!(texts[0].contains("vault secret kv/dcs/kyc-onfido can be read"), "{}", texts[0]);
    assert!(texts[0].contains("acme") && !texts[0].contains("token-acme"), "{}", texts[0]);
    assert!(texts[1].contains("tenant \"globex\" (entry 2): "), "{}", texts[1]);
    assert!(texts[2].contains("vault denied access to the secret (403): "), "{}", texts[2]);
}
