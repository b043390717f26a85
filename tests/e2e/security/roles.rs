//! The roles and logins of the admin API, and the paths that need no login.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kyc_harness::certificates::Authority;
use reqwest::Client;
use serde_json::{Value, json};

use crate::notifications::durable::stored;
use crate::security::operators::ask;
use crate::support::gateway::binary;
use crate::support::provider::Provider;
use crate::support::soon;
use crate::support::world::{World, routes};

#[tokio::test(flavor = "multi_thread")]
async fn command_line_sends_the_token_from_a_file_or_variable() {
    let tokens = tempfile::tempdir().unwrap();
    let file = tokens.path().join("token");
    std::fs::write(&file, "token-of-the-viewer").unwrap();
    let config = format!(
        "[admin]\naddress = \"127.0.0.1:0\"\n[[admin.operations.logins]]\nname = \"v\"\nrole = \"viewer\"\n\
         token_file = \"{}\"\n{}",
        file.display(),
        routes("")
    );
    let world = World::start(&config).await;
    let admin = world.gateway.admin("");
    let command = |subcommand: &str, arguments: &[&str], variable: Option<&Path>| {
        let mut command = Command::new(binary("kyc-gateway"));
        command.args(["tenants", subcommand]).args(arguments);
        if !arguments.contains(&"--admin") {
            command.args(["--admin", &admin]);
        }
        command.env_remove("KYC_GATEWAY_ADMIN_TOKEN_FILE");
        if let Some(file) = variable {
            command.env("KYC_GATEWAY_ADMIN_TOKEN_FILE", file);
        }
        let output = command.output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };

    let nobody = command("list", &[], None);
    let by_file = command("list", &["--token-file", file.to_str().unwrap()], None);
    let by_variable = command("list", &[], Some(&file));
    let reload = command("reload", &["--reason", "test"], Some(&file));
    let clear = command("list", &["--admin", "http://gateway.test:1"], Some(&file));
    let allowed = command("list", &["--admin", "http://gateway.test:1", "--allow-http"], Some(&file));

    assert_eq!(nobody, "log in: a token or a certificate is needed\n");
    assert!(by_file.contains("acme") && by_file == by_variable, "{by_file}");
    assert_eq!(reload, "the role viewer may not use tenants.reload\n");
    assert!(clear.contains("use https://, or --allow-http"), "{clear}");
    assert!(allowed.contains("refused to send the token") && allowed.contains("unencrypted"), "{allowed}");
    world.gateway.stop().await;
}

/// Operations at an address and a socket of their own, with a token, a certificate and a provider's claim for each role.
struct Desk {
    world: World,
    provider: Provider,
    authority: Authority,
    tokens: tempfile::TempDir,
}

// === impl Desk ===

impl Desk {
    async fn open() -> Self {
        let (authority, tokens) = (Authority::new(), tempfile::tempdir().unwrap());
        let provider = Provider::start().await;
        let clients = format!(
            ", client_ca_file = \"{}/authority.pem\", client_certificate = \"optional\"",
            authority.folder().display()
        );
        let mut config = format!(
            "[admin]\naddress = \"127.0.0.1:0\"\nhosts = [\"gateway.test\"]\n\
             [admin.operations]\naddress = \"0.0.0.0:0\"\nsocket = \"admin.sock\"\nsocket_mode = \"0660\"\n{}",
            authority.listener_tls_with(&clients)
        );
        for role in ROLES {
            let file = tokens.path().join(role);
            std::fs::write(&file, format!("token-of-the-{role}\n")).unwrap();
            let file = format!("token_file = \"{}\"", file.display());
            let certificate = format!("certificate = \"DNS:{role}.example\"");
            let claims = format!(
                "token = {{ issuer = \"{}\", audience = [\"kyc-operators\"], claims = {{ roles = [\"{role}\"] }} }}",
                provider.issuer
            );
            for (way, proof) in [("token", file), ("certificate", certificate), ("provider", claims)] {
                config.push_str(&format!(
                    "[[admin.operations.logins]]\nname = \"{role}-{way}\"\nrole = \"{role}\"\n{proof}\n"
                ));
            }
        }
        let world = World::start(&format!("{config}{}", stored())).await;
        let desk = Self { world, provider, authority, tokens };
        // The keys are fetched in the background.
        let (plain, token) = (desk.client(None), desk.token_of("viewer"));
        soon(async || (desk.ask(&plain, Some(&token), "GET", "/events").await == 200).then_some(())).await;
        desk
    }

    /// A token of the provider for somebody with a role.
    fn token_of(&self, role: &str) -> String {
        self.provider
            .token("kyc-operators", &json!({ "sub": format!("ana-{role}"), "roles": ["other", role] }))
    }

    /// A client that trusts the gateway, and has the certificate of a role.
    fn client(&self, certificate: Option<&str>) -> Client {
        let address = SocketAddr::from(([127, 0, 0, 1], self.world.gateway.listener("operations").port()));
        let builder =
            Client::builder().tls_certs_only([self.authority.certificate()]).resolve("gateway.test", address);
        match certificate {
            Some(role) => {
                let dns = format!("{role}.example");
                builder.identity(self.authority.caller(role, &dns, 2099)).build().unwrap()
            }
            None => builder.build().unwrap(),
        }
    }

    fn socket(&self) -> PathBuf {
        self.world.gateway.folder().join("admin.sock")
    }

    async fn ask(&self, client: &Client, token: Option<&str>, method: &str, path: &str) -> u16 {
        let port = self.world.gateway.listener("operations").port();
        ask_at(client, token, method, &format!("https://gateway.test:{port}{path}")).await
    }
}

async fn ask_at(client: &Client, token: Option<&str>, method: &str, url: &str) -> u16 {
    let mut request = client
        .request(method.parse().unwrap(), url)
        .header("x-admin-intent", "test")
        .header("x-admin-reason", "test");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.send().await.unwrap().status().as_u16()
}

async fn records(client: &Client, url: &str) -> Vec<Value> {
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["records"].as_array().unwrap().clone()
}

const ROLES: [&str; 3] = ["viewer", "operator", "privacy"];

/// A row of the table that the gateway itself reads.
struct Operation {
    name: String,
    method: String,
    /// The path, with a filter that fits nothing for a change.
    target: String,
    roles: Vec<String>,
}

fn table() -> Vec<Operation> {
    let text = include_str!("../../../gateway/admin/src/roles.toml");
    let table: toml::Table = text.parse().unwrap();
    let rows = table["operation"].as_array().unwrap().iter();
    rows.map(|row| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let path =
            text("path").replace("{uid}", "00000000-0000-0000-0000-000000000000").replace("{file}", "");
        let target = match text("name").as_str() {
            "events.replay" | "events.discard" => format!("{path}?tenant=nobody&state=waiting"),
            _ => path,
        };
        let roles = row["roles"].as_array().unwrap().iter();
        let roles = roles.map(|role| role.as_str().unwrap().to_owned()).collect();
        Operation { name: text("name"), method: text("method"), target, roles }
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_has_its_permissions_with_every_kind_of_login() {
    let desk = Desk::open().await;
    let (plain, stranger) = (desk.client(None), desk.client(Some("stranger")));
    let certified = ROLES.map(|role| (role, desk.client(Some(role))));
    let at_socket = Client::builder().unix_socket(desk.socket()).build().unwrap();
    let local = World::start(&stored()).await;
    let mut asked = 0;

    for Operation { name, method, target, roles } in table() {
        for (role, client) in &certified {
            let may = roles.iter().any(|allowed| allowed == role);
            let token = desk.ask(&plain, Some(&format!("token-of-the-{role}")), &method, &target).await;
            let certificate = desk.ask(client, None, &method, &target).await;
            let provider = desk.ask(&plain, Some(&desk.token_of(role)), &method, &target).await;
            for status in [token, certificate, provider] {
                assert_eq!((status == 403, status == 401), (!may, false), "{name} {role} {status}");
                asked += 1;
            }
        }
        let nobody = desk.ask(&plain, None, &method, &target).await;
        let guessed = desk.ask(&plain, Some("token-of-the-operato"), &method, &target).await;
        let unknown = desk.ask(&stranger, None, &method, &target).await;
        // A valid certificate does not help with a wrong token.
        let mixed = desk.ask(&certified[1].1, Some("wrong"), &method, &target).await;
        let of_no_role = desk.ask(&plain, Some(&desk.token_of("nobody")), &method, &target).await;
        let for_callers = desk.provider.token("kyc-gateway", &json!({ "roles": ["operator"] }));
        let for_callers = desk.ask(&plain, Some(&for_callers), &method, &target).await;
        let loopback = ask(&local, &method, &target, &[]).await;
        let socket = ask_at(&at_socket, None, &method, &format!("http://localhost{target}")).await;
        assert_eq!([nobody, guessed, unknown, mixed, of_no_role, for_callers], [401; 6], "{name}");
        assert!(
            ![401, 403].contains(&socket) && ![401, 403].contains(&loopback),
            "{name} {socket} {loopback}"
        );
        asked += 8;
    }

    println!("{asked} requests over role, operation and way of login");
    let mut by = Vec::new();
    for record in records(&at_socket, "http://localhost/audit?outcome=done&operation=tenants.reload").await {
        let text = |member: &str| record[member].as_str().unwrap_or_default().to_owned();
        by.push([text("operator"), text("subject"), text("way"), text("role")]);
    }
    let expected = [
        ["socket", "", "socket", "all"],
        ["operator-provider", "sub:ana-operator", "provider", "operator"],
        ["operator-certificate", "", "certificate", "operator"],
        ["operator-token", "", "token", "operator"],
    ];
    assert_eq!(by, expected.map(|row| row.map(str::to_owned)));
    // Operations without a row are permitted only to the role `operator`.
    let mut found = Vec::new();
    for role in ["viewer", "privacy", "operator"] {
        found.push(desk.ask(&plain, Some(&format!("token-of-the-{role}")), "DELETE", "/events").await);
    }
    assert_eq!(found, [403, 403, 405]);
    desk.world.gateway.stop().await;
    local.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_probes_and_metrics_answer_without_a_login() {
    let desk = Desk::open().await;
    let plain = desk.client(None);

    for Operation { name, method, target, .. } in table() {
        let at_probes = ask(&desk.world, &method, &target, &[]).await;
        assert!([404, 405].contains(&at_probes), "{name} {at_probes}");
        assert_eq!(desk.ask(&plain, None, &method, &target).await, 401, "{name}");
    }

    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(&desk.world, "GET", path, &[]).await, 200, "{path}");
        assert_eq!(desk.ask(&plain, None, "GET", path).await, 404, "{path}");
    }
    let mode = std::fs::metadata(desk.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    desk.world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn public_probe_address_serves_no_operations() {
    let world = World::start(&format!("[admin]\naddress = \"0.0.0.0:0\"\n{}", stored())).await;

    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(&world, "GET", path, &[]).await, 200, "{path}");
    }
    for Operation { name, method, target, .. } in table() {
        let status = ask(&world, &method, &target, &[]).await;
        assert!([404, 405].contains(&status), "{name} {status}");
    }
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_token_file_is_reloaded_and_the_socket_needs_no_token() {
    let desk = Desk::open().await;
    let (client, socket) = (desk.client(None), desk.socket());

    let listed = Command::new(binary("kyc-gateway"))
        .args(["tenants", "list", "--socket"])
        .arg(&socket)
        .output()
        .unwrap();
    let before = desk.ask(&client, Some("token-of-the-operator"), "GET", "/events").await;
    std::fs::write(desk.tokens.path().join("operator"), "another-token-of-the-operator").unwrap();
    let old = desk.ask(&client, Some("token-of-the-operator"), "GET", "/events").await;
    let new = desk.ask(&client, Some("another-token-of-the-operator"), "GET", "/events").await;

    let listed = String::from_utf8([listed.stdout, listed.stderr].concat()).unwrap();
    assert!(listed.starts_with("TENANT") && listed.contains("acme"), "{listed}");
    assert_eq!((before, old, new), (200, 401, 200));
    let log = desk.world.gateway.stop().await;
    assert!(log.contains("an operator's request was refused") && !log.contains("token-of-the-"), "{log}");
}
