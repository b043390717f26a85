//! Canary test of OAuth clients: neither a client secret nor an access token is in any output.

use std::collections::VecDeque;
use std::time::Duration;

use crate::support::gateway::{Setup, start};
use crate::support::oauth::{OAuthOnfido, Odd, oauth_tenant};
use crate::support::world::{DIRECT, EVENT, routes};

const SECRETS: [&str; 5] = ["id-acme", "id-globex", "secret-acme-canary", "secret-globex-canary", "access-"];

#[tokio::test(flavor = "multi_thread")]
async fn client_secrets_and_access_tokens_are_in_no_output() {
    let onfido = OAuthOnfido::start(Duration::from_secs(2)).await;
    let odd = [Odd::Malformed, Odd::NoLife, Odd::Empty].map(Some).into_iter();
    onfido.book().script.insert("id-acme".to_owned(), odd.chain([None]).collect());
    let refused = [Odd::Status(401), Odd::Status(307), Odd::Status(400)].map(Some);
    onfido.book().script.insert("id-globex".to_owned(), VecDeque::from(refused));
    let tenants = ["acme", "globex"].map(|name| {
        let mut entry = oauth_tenant(name, &format!("secret-{name}-canary"));
        entry.as_object_mut().unwrap().remove("webhookToken");
        entry
    });
    let config = format!("[log]\nlevel = \"trace\"\n{}", routes(DIRECT));
    let gateway =
        start(Setup::default().onfido(onfido.address).tenants(tenants.to_vec()).config(&config)).await;
    let client = reqwest::Client::new();
    let (mut texts, mut statuses) = (Vec::new(), Vec::new());

    for round in 0..4 {
        for name in ["acme", "globex"] {
            let call = client
                .get(gateway.url("/dcs/kyc2/applicants"))
                .header("SubscriptionId", format!("sub-{name}"))
                .send()
                .await
                .unwrap();
            statuses.push(call.status().as_u16());
            texts.push(format!("{:?}", call.headers()));
            // The simulated Onfido returns the credential; only the gateway's own responses are checked.
            if !call.status().is_success() {
                texts.push(call.text().await.unwrap());
            }
            let notification = client
                .post(gateway.url(&format!("/dcs/kyc2/webhook/notify/{name}")))
                .header("Content-Type", "application/json")
                .header("X-SHA2-Signature", "00".repeat(32))
                .body(EVENT)
                .send()
                .await
                .unwrap();
            texts.push(notification.text().await.unwrap());
        }
        if round == 2 {
            onfido.revoke();
        }
    }
    // A reason that has the client secret is refused, and is nowhere afterwards.
    let reload = client
        .post(gateway.admin("/admin/reload"))
        .header("X-Admin-Reason", "because of secret-acme-canary")
        .header("X-Admin-Intent", "1")
        .send()
        .await
        .unwrap();
    texts.push(reload.text().await.unwrap());
    for page in ["/metrics", "/livez", "/readyz", "/", "/admin/tenants", "/audit"] {
        texts.push(client.get(gateway.admin(page)).send().await.unwrap().text().await.unwrap());
    }
    texts.push(gateway.stop().await);

    let everything = texts.join("\n");
    let found: Vec<_> = SECRETS.iter().filter(|secret| everything.contains(**secret)).collect();
    assert!(statuses.contains(&200) && statuses.contains(&401) && statuses.contains(&503), "{statuses:?}");
    assert!(everything.contains("cannot fetch an access token") && everything.contains("OAuth client"));
    assert!(everything.contains("Onfido refused an access token"));
    assert_eq!(found, Vec::<&&str>::new(), "{}", super::excerpt(&everything, &found));
}
