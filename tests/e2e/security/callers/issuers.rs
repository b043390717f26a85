//! Callers with certificates and tokens of several issuers.

use reqwest::Client;
use serde_json::json;

use super::bound;
use crate::support::gateway::{Setup, binary, start};
use crate::support::provider::Provider;
use crate::support::soon;
use crate::support::upstream::Echo;

/// Two providers gave the same `sub` to two callers, and each of them could act for the other's tenant.
#[tokio::test(flavor = "multi_thread")]
async fn same_name_from_two_issuers_is_two_callers() {
    let onfido = Echo::start().await;
    let (entra, partners) = (Provider::start().await, Provider::start().await);
    let route = |name: &str, provider: &Provider| {
        format!(
            "[[routes]]\nname = \"{name}\"\npaths = [\"/{name}/{{*path}}\"]\n[[routes.plugins]]\nplugin = \"caller-auth\"\n\
             token = {{ issuer = \"{}\", name = \"{name}\", audience = [\"kyc\"] }}\n\
             [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n",
            provider.issuer
        )
    };
    let config = format!("{}{}", route("entra", &entra), route("partners", &partners));
    let tenants = vec![bound("acme", &["entra/sub:1"]), bound("globex", &["partners/sub:1"])];
    let setup = Setup::default().onfido(onfido.address).tenants(tenants).config(&config);
    let gateway = start(setup).await;
    let call = async |name: &str, provider: &Provider, subscription: &str| {
        let token = provider.token("kyc", &json!({ "sub": "1" }));
        let request = Client::new().get(gateway.url(&format!("/{name}/applicants"))).bearer_auth(token);
        request.header("SubscriptionId", subscription).send().await.unwrap().status().as_u16()
    };
    let check = || {
        let mut command = std::process::Command::new(binary("kyc-gateway"));
        let output = command.arg("check").arg("--config").arg(gateway.folder().join("gateway.toml")).output();
        String::from_utf8_lossy(&output.unwrap().stderr).into_owned()
    };

    soon(async || (call("entra", &entra, "sub-acme").await == 200).then_some(())).await;
    soon(async || (call("partners", &partners, "sub-globex").await == 200).then_some(())).await;
    let crossed = [call("entra", &entra, "sub-globex").await, call("partners", &partners, "sub-acme").await];
    let unambiguous = check();
    gateway.write_tenants(onfido.address, &[bound("acme", &["sub:1"]), bound("globex", &["partner/sub:1"])]);
    let ambiguous = check();

    assert_eq!((crossed, unambiguous.as_str()), ([401, 401], ""));
    assert!(
        ambiguous.contains("tenants: `callers` of tenant acme is ambiguous, because there are 2 providers"),
        "{ambiguous}"
    );
    assert!(ambiguous.contains("`callers` of tenant globex (`partner/`): no provider"), "{ambiguous}");
    assert!(gateway.stop().await.contains("\"caller\":\"entra/sub:1\""));
}
