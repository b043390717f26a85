//! Canary tests: credentials of callers and operators, also in a wrong field, appear in no name, audit record or log line.

use kyc_harness::certificates::Authority;
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Setup, start};
use crate::support::provider::Provider;
use crate::support::soon;
use crate::support::upstream::Echo;

const SECRET: &str = "canary-secret-of-the-caller";
const OPERATOR: &str = "canary-token-of-the-operator";
/// What a token says of a person, and nothing asks for.
const PERSONAL: [&str; 4] = ["canary@example.com", "Canary Person", "canary-login", "canary-device"];

fn config(authority: &Authority, provider: &Provider, folder: &std::path::Path) -> String {
    std::fs::write(folder.join("secret"), SECRET).unwrap();
    std::fs::write(folder.join("operator"), OPERATOR).unwrap();
    let (place, certificates) = (folder.display(), authority.folder().display());
    let clients =
        format!(", client_ca_file = \"{certificates}/authority.pem\", client_certificate = \"optional\"");
    format!(
        "[log]\nlevel = \"trace\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [[admin.operations.logins]]\nname = \"oncall\"\nrole = \"operator\"\ntoken_file = \"{place}/operator\"\n\
         [[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}\
         [[routes]]\nname = \"onfido\"\nany_tenant = true\npaths = [\"/dcs/kyc2/{{*path}}\"]\n\
         [[routes.plugins]]\nplugin = \"caller-auth\"\nrequire = \"any\"\ncertificates = [\"*\"]\n\
         secrets = [{{ name = \"apim\", file = \"{place}/secret\" }}]\n\
         token = {{ issuer = \"{}\", audience = [\"kyc\"] }}\n\
         [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n",
        authority.listener_tls_with(&clients),
        provider.issuer
    )
}

/// Asks over the listener; the answer's status.
async fn call(client: &Client, gateway: &Gateway, fields: &[(&str, &str)]) -> u16 {
    let url = format!("https://gateway.test:{}/dcs/kyc2/applicants", gateway.address().port());
    let request = fields.iter().fold(client.get(url), |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap().status().as_u16()
}

/// Asks the admin listener for a change; status and text of the answer.
async fn change(gateway: &Gateway, token: &str, path: &str, reason: &str) -> (u16, String) {
    let request = Client::new()
        .post(gateway.admin(path))
        .header("authorization", format!("Bearer {token}"))
        .header("x-admin-intent", "test")
        .header("x-admin-reason", reason);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// An operator pasted a token into the reason of a change. It was visible in the audit records, which cannot be changed, to every
/// viewer.
#[expect(clippy::too_many_lines, reason = "every wrong place, one after the other")]
#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_in_no_caller_name_reason_or_audit_record() {
    let (onfido, authority, provider) = (Echo::start().await, Authority::new(), Provider::start().await);
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::default().onfido(onfido.address).config(&config(&authority, &provider, folder.path()));
    let gateway = start(setup).await;
    let client = |identity| {
        let builder = Client::builder().tls_certs_only([authority.certificate()]);
        let builder = builder.resolve("gateway.test", gateway.address());
        match identity {
            Some(identity) => builder.identity(identity).build().unwrap(),
            None => builder.build().unwrap(),
        }
    };
    let (plain, certified) = (client(None), client(Some(authority.caller("processor", "a.example", 2999))));
    let claims = json!({
        "sub": "client-7", "email": PERSONAL[0], "name": PERSONAL[1], "preferred_username": PERSONAL[2],
        "device": PERSONAL[3],
    });
    let token = provider.token("kyc", &claims);
    let bearer = format!("Bearer {token}");
    let own = ("SubscriptionId", "sub-acme");

    soon(async || (call(&plain, &gateway, &[own, ("Authorization", &bearer)]).await == 200).then_some(()))
        .await;
    let named = [
        call(&certified, &gateway, &[own]).await,
        call(&plain, &gateway, &[own, ("X-Gateway-Secret", SECRET)]).await,
    ];
    let wrong = format!("Bearer {SECRET}");
    let misplaced: [&[(&str, &str)]; 6] = [
        &[own, ("X-Gateway-Secret", &token)],
        &[own, ("X-Gateway-Secret", SECRET), ("X-Gateway-Secret", SECRET)],
        &[own, ("Authorization", &wrong)],
        &[own, ("Authorization", SECRET), ("Cookie", &token)],
        &[("SubscriptionId", SECRET), ("Authorization", &bearer)],
        &[("SubscriptionId", &token), ("X-Gateway-Secret", SECRET)],
    ];
    let mut refused = Vec::new();
    for fields in misplaced {
        refused.push(call(&plain, &gateway, fields).await);
    }
    let good = change(&gateway, OPERATOR, "/admin/reload", "a canary was here").await.0;
    let parameter = format!("/admin/reload?tenant={OPERATOR}");
    let repeated = format!("/admin/reload?{OPERATOR}=1&{OPERATOR}=2");
    let pasted = [
        change(&gateway, OPERATOR, "/admin/reload", OPERATOR).await,
        change(&gateway, OPERATOR, "/admin/reload", &format!("with {OPERATOR}, sorry")).await,
        change(&gateway, OPERATOR, "/admin/reload", "of acme: token-acme").await,
        change(&gateway, OPERATOR, "/admin/reload", "signed by sign-globex").await,
        change(&gateway, OPERATOR, &parameter, "test").await,
        change(&gateway, OPERATOR, &repeated, "test").await,
    ];
    let denied = change(&gateway, "wrong", &parameter, "test").await.0;
    let audit =
        Client::new().get(gateway.admin("/audit")).header("authorization", format!("Bearer {OPERATOR}"));
    let audit = audit.send().await.unwrap().text().await.unwrap();
    let file = std::fs::read_to_string(gateway.folder().join("data/audit.jsonl")).unwrap();
    let metrics = gateway.metrics().await;
    let log = gateway.stop().await;

    assert_eq!((named, good, denied), ([200, 200], 200, 401));
    assert!(refused.iter().all(|status| *status == 401), "{refused:?}");
    let everything = format!("{log}{metrics}{audit}{file}");
    for name in ["cert-subject:O=FintechOS, CN=processor", "sub:client-7", "secret:apim", "a canary was here"]
    {
        assert!(everything.contains(name), "{name} is named");
    }
    let mut planted = vec![SECRET, OPERATOR, "token-acme", "sign-globex"];
    planted.extend(PERSONAL);
    planted.extend(token.split('.').skip(1));
    let found: Vec<_> = planted.into_iter().filter(|secret| everything.contains(secret)).collect();
    assert_eq!(found, Vec::<&str>::new());
    for (status, text) in pasted {
        assert!(status == 400 && text.contains("contains a secret"), "{status} {text}");
    }
    let records: Value = serde_json::from_str(&audit).unwrap();
    let outcomes: Vec<_> =
        records["records"].as_array().unwrap().iter().map(|record| &record["outcome"]).collect();
    assert_eq!(outcomes.iter().filter(|outcome| ***outcome == "denied").count(), 7, "{outcomes:?}");
}
