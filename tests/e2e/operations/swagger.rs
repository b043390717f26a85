//! The API description and its page: valid, consistent with the API, tested in a real browser, and enabled only by the document.

use std::process::Command;

use serde_json::{Value, json};

use crate::notifications::durable::stored;
use crate::support::gateway::tools;
use crate::support::soon;
use crate::support::world::{World, routes};
use crate::telemetry::logging::set;

async fn status(world: &World, path: &str) -> u16 {
    reqwest::get(world.gateway.admin(path)).await.unwrap().status().as_u16()
}

async fn enabled(config: &str) -> World {
    let world = World::start(config).await;
    set(&world, json!({ "EnableSwagger": "true" })).await;
    soon(async || (status(&world, "/swagger/").await == 200).then_some(())).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn swagger_page_exists_only_while_the_document_enables_it() {
    let world = World::start(&stored()).await;
    let all =
        ["/swagger", "/swagger/", "/swagger/openapi.json", "/swagger/page.js", "/swagger/swagger-ui.css"];
    for path in all {
        assert_eq!(status(&world, path).await, 404, "{path}");
    }

    set(&world, json!({ "enableswagger": "True" })).await;
    soon(async || (status(&world, "/swagger/").await == 200).then_some(())).await;
    for path in all {
        // The first one leads to the second.
        assert_eq!(status(&world, path).await, 200, "{path}");
    }
    assert_eq!(status(&world, "/swagger/other").await, 404);
    set(&world, json!({ "EnableSwagger": "false" })).await;
    soon(async || (status(&world, "/swagger/").await == 404).then_some(())).await;
    set(&world, json!({ "EnableSwagger": "perhaps" })).await;

    assert_eq!(status(&world, "/swagger/").await, 404);
    let log = world.gateway.stop().await;
    assert!(log.contains("\"key\":\"EnableSwagger\"") && !log.contains("perhaps"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_description_is_valid_and_its_paths_exist() {
    let guarded = "[[routes.plugins]]\nplugin = \"rate-limit\"\nrequests_per_minute = 400\n";
    let world = enabled(&format!("{}{guarded}", stored())).await;

    let text =
        reqwest::get(world.gateway.admin("/swagger/openapi.json")).await.unwrap().text().await.unwrap();
    let file = world.gateway.folder().join("openapi.json");
    std::fs::write(&file, &text).unwrap();
    let validated =
        Command::new(tools().join("python/bin/openapi-spec-validator")).arg(&file).output().unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let paths = description["paths"].as_object().unwrap();

    assert!(validated.status.success(), "{}", String::from_utf8_lossy(&validated.stdout));
    assert_eq!(description["openapi"], "3.1.0");
    let own = paths.iter().filter(|(_, item)| item.get("servers").is_some());
    let mut answered = 0;
    for (path, item) in own {
        let path = path.replace("{uid}", "00000000-0000-0000-0000-000000000000").replace("{id}", "check-1");
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, value)| value.is_object()) {
            let request = reqwest::Client::new()
                .request(method.to_uppercase().parse().unwrap(), world.gateway.admin(&path))
                .header("x-admin-intent", "test")
                .header("x-admin-reason", "test");
            let status = request.send().await.unwrap().status().as_str().to_owned();
            assert!(operation["responses"].get(&status).is_some(), "{method} {path} answered {status}");
            answered += 1;
        }
    }
    assert_eq!(answered, 19, "health, tenants, events, checks, audit and this description");
    let operation = &paths["/dcs/kyc2/checks"]["post"];
    let parameters: Vec<&str> = operation["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    assert!(parameters.contains(&"SubscriptionId"), "{parameters:?}");
    assert!(operation["responses"].get("429").is_some() && operation["responses"].get("401").is_some());
    assert!(paths.contains_key("/dcs/kyc2/webhook/notify/{configurationName}"));
    assert!(paths.contains_key("/dcs/kyc2/StartCheck"));
}

#[tokio::test(flavor = "multi_thread")]
async fn swagger_page_lists_operations_in_a_browser_and_shows_no_secret() {
    let world = enabled(&routes("")).await;
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(world.gateway.admin("/swagger/"));

    let shown = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();

    let (page, log) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.status.success(), "{log}");
    for path in [
        "/dcs/kyc2/applicants",
        "/dcs/kyc2/checks",
        "/dcs/kyc2/StartCheck",
        "/dcs/kyc2/webhook/notify/{configurationName}",
        "/admin/tenants",
        "/events/replay",
        "/metrics",
    ] {
        assert!(page.contains(&format!("data-path=\"{path}\"")), "{path} is not on the page\n{log}");
    }
    let listed = page.matches("data-path=\"").count();
    println!("the page lists {listed} operations");
    assert!(listed > 80, "{listed}");
    // The page loaded all its resources, and none from another host.
    assert!(!log.contains("CONSOLE"), "{log}");
    for secret in ["token-acme", "sub-acme", "sign-acme", "password-acme", "user-acme", "client-acme"] {
        assert!(!page.contains(secret), "{secret}");
    }
    let elsewhere = page.split("src=\"").skip(1).filter(|source| source.starts_with("http")).count();
    assert_eq!(elsewhere, 0);
}
