//! Log events and spans arrive at collectors completely and in order, and an unreachable collector delays no request.

use std::time::Duration;

use kyc_harness::collectors::{Collector, Event, Span};
use serde_json::{Value, json};

use crate::notifications::durable::stored;
use crate::support::soon;
use crate::support::world::{DIRECT, EVENT, World, routes};
use crate::telemetry::logging::set;
use kyc_sandbox::signature::sign;
use reqwest::Client;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Calls Onfido through the gateway, sequentially on one connection: access lines of several connections can have a different
/// order in each sink.
async fn calls(client: &Client, world: &World, count: usize) {
    for _ in 0..count {
        let request =
            client.get(world.gateway.url("/dcs/kyc2/applicants")).header("SubscriptionId", "sub-acme");
        let answer = request.header("traceparent", CALLER).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        // Read the body, so that the next call reuses the connection.
        answer.bytes().await.unwrap();
    }
}

/// Posts an event with the caller's trace context, and waits until the portal has received it.
async fn notify(world: &World) {
    let notification = Client::new()
        .post(world.gateway.url("/dcs/kyc2/webhook/notify/acme"))
        .header("Content-Type", "application/json")
        .header("X-SHA2-Signature", sign("sign-acme", EVENT.as_bytes()))
        .header("traceparent", CALLER)
        .header("tracestate", "vendor=1")
        .body(EVENT);
    assert_eq!(notification.send().await.unwrap().status(), 200);
    world.acme.deliveries().wait_for_count(1).await.unwrap();
}

/// The request ids of the access lines on standard output.
fn printed(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains("\"target\":\"access\""));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["request_id"].as_str().unwrap().to_owned()).collect()
}

fn collected(events: &[Event]) -> Vec<String> {
    let requests = events.iter().filter(|event| event.message == "request");
    requests.map(|event| event.request_id.clone()).collect()
}

fn metric(metrics: &str, line: &str) -> usize {
    let found = metrics.lines().find_map(|known| known.strip_prefix(line));
    found.map_or(0, |value| value.trim().parse().unwrap())
}

/// Waits until the queues of the exporters are empty.
async fn settled(world: &World, collector: &str) -> (usize, usize) {
    soon(async || {
        let metrics = world.gateway.metrics().await;
        let of = |name: &str| {
            metric(&metrics, &format!("kyc_gateway_log_events_{name}{{collector=\"{collector}\"}}"))
        };
        (of("waiting") == 0).then(|| (of("exported_total"), of("dropped_total")))
    })
    .await
}

/// The collector is up, down for a minute, and up again while calls continue. Every missing line after the one with `first` must
/// have been counted as dropped.
async fn up_down_up(world: &World, collector: &Collector, name: &str, first: &str) {
    let client = Client::new();
    let before = printed(&world.gateway.log()).len();
    calls(&client, world, 300).await;
    soon(async || (collected(&collector.events()).len() >= 300).then_some(())).await;
    let all = printed(&world.gateway.log())[before..].to_vec();
    assert_eq!(collected(&collector.events()), all, "every event, in order");

    collector.set_down(true);
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while tokio::time::Instant::now() < end {
        calls(&client, world, 50).await;
    }
    collector.set_down(false);
    calls(&client, world, 10).await;
    settled(world, name).await;
    calls(&client, world, 10).await;
    // Standard output is written with a delay; then every line of it must have been accepted or counted as dropped.
    let (lines, dropped) = soon(async || {
        let (exported, dropped) = settled(world, name).await;
        let lines = world.gateway.log().lines().skip_while(|line| !line.contains(first)).count();
        (exported + dropped == lines && exported == collector.events().len()).then_some((lines, dropped))
    })
    .await;
    let (printed, collected) =
        (printed(&world.gateway.log())[before..].to_vec(), collected(&collector.events()));
    let mut rest = printed.iter();
    assert!(collected.iter().all(|id| rest.any(|known| known == id)), "what came is in order");
    assert_eq!(printed[printed.len() - 10..], collected[collected.len() - 10..], "it is up again");
    let kib = world.gateway.peak_memory();
    println!(
        "{name}: {lines} events, {} in the collector, {dropped} counted as dropped; peak memory {kib} KiB",
        collector.events().len()
    );
    assert!(
        dropped > 0 && collected.len() > 2000,
        "the queue was full for a while, and is emptied afterwards"
    );
    assert!(kib < 256 * 1024, "{kib} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn seq_gets_every_event_except_those_counted_as_dropped_during_an_outage() {
    let (world, collector) = (World::start(&routes(DIRECT)).await, Collector::start().await);
    let keys = json!({
        "serilog-seq-logging": "true",
        "serilog-seq-serverUrl": collector.url(),
        "serilog-seq-apiKey": "canary-key",
        "serilog-seq-maxEventCount": "2000",
    });
    set(&world, keys).await;

    up_down_up(&world, &collector, "seq", "Seq settings changed").await;

    assert!(collector.keys().iter().all(|key| key == "canary-key"));
    let log = world.gateway.log();
    for line in
        ["\"error\":\"the collector answered 503; events wait\"", "the collector accepts log events again"]
    {
        assert_eq!(log.matches(line).count(), 1, "an outage is said once, and its end");
    }
    set(&world, json!({ "serilog-seq-logging": "false" })).await;
    let end = collector.events().len();
    calls(&Client::new(), &world, 5).await;
    assert_eq!(settled(&world, "seq").await.0, end);
    assert!(!world.gateway.stop().await.contains("canary-key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn opentelemetry_collector_gets_every_event_except_those_counted_as_dropped() {
    let collector = Collector::start().await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", format!("{}/v1/logs", collector.url())),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "2000".to_owned()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let world = World::start_in(&routes(DIRECT), &environment).await;

    up_down_up(&world, &collector, "otlp", "{").await;

    assert!(collector.spans().is_empty(), "spans were not asked for");
}

fn called<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

fn attribute<'a>(span: &'a Span, name: &str) -> &'a str {
    span.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// The span of a notification: method and path pattern.
const RECEIPT: &str = "POST /dcs/kyc2/webhook/notify/{configurationName}";

#[tokio::test(flavor = "multi_thread")]
async fn trace_context_is_forwarded_to_onfido_and_through_the_store_to_the_portal() {
    let collector = Collector::start().await;
    let environment =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let world = World::start_in(&stored(), &environment).await;

    calls(&Client::new(), &world, 1).await;
    notify(&world).await;
    let spans = soon(async || {
        let spans = collector.spans();
        (spans.len() >= 5).then_some(spans)
    })
    .await;

    assert!(spans.iter().all(|span| span.trace_id == CALLER[3..35]), "{spans:?}");
    let (request, upstream) = (called(&spans, "GET /dcs/kyc2/{*path}"), called(&spans, "GET /applicants"));
    let (receipt, delivery, login) =
        (called(&spans, RECEIPT), called(&spans, "delivery"), called(&spans, "login"));
    assert_eq!([&request.parent, &receipt.parent], [&CALLER[36..52]; 2]);
    assert_eq!([&upstream.parent, &delivery.parent, &login.parent], [&request.id, &receipt.id, &delivery.id]);
    assert_eq!(attribute(request, "http.response.status_code"), "200");
    assert_eq!(attribute(request, "http.route"), "/dcs/kyc2/{*path}");
    assert_eq!(attribute(upstream, "url.template"), "/applicants");
    assert_eq!(attribute(delivery, "tenant"), "acme");
    for span in [upstream, delivery, login] {
        assert_eq!(attribute(span, "url.scheme"), "http");
        assert!(attribute(span, "server.port").parse::<u16>().unwrap() > 0, "{span:?}");
        assert!(!attribute(span, "server.address").is_empty(), "{span:?}");
    }
    let to_onfido = world.onfido.requests().all();
    let parent = |id: &str| format!("00-{}-{id}-01", &CALLER[3..35]);
    assert_eq!(to_onfido[0].headers["traceparent"], parent(&upstream.id));
    world.acme.deliveries().inspect(|taken| {
        assert_eq!(taken[0].headers["traceparent"], parent(&delivery.id));
        assert_eq!(taken[0].headers["tracestate"], "vendor=1");
    });
    let logins = world.acme.calls().all();
    assert_eq!(logins[0].traceparent.as_deref(), Some(parent(&login.id).as_str()));
    // The access line has the trace id, and spans contain nothing that is not in the log.
    let events = soon(async || Some(collector.events()).filter(|events| collected(events).len() == 2)).await;
    assert!(events.iter().any(|event| event.message == "request" && event.trace_id == CALLER[3..35]));
    let text = format!("{spans:?}");
    assert!(
        !["kyc2/applicants", "v3.6", "notify/acme", "sub-acme"].iter().any(|path| text.contains(path)),
        "{text}"
    );
    let metrics = world.gateway.metrics().await;
    assert_eq!(metric(&metrics, "kyc_gateway_spans_total{result=\"failed\"}"), 0);
    assert_eq!(
        metric(&metrics, "kyc_gateway_spans_total{result=\"ended\"}"),
        metric(&metrics, "kyc_gateway_spans_total{result=\"exported\"}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_context_of_the_caller_is_forwarded_without_a_collector() {
    let world = World::start(&stored()).await;

    calls(&Client::new(), &world, 1).await;
    notify(&world).await;

    assert_eq!(world.onfido.requests().all()[0].headers["traceparent"], CALLER);
    world.acme.deliveries().inspect(|taken| assert_eq!(taken[0].headers["traceparent"], CALLER));
    assert!(world.acme.calls().all().iter().all(|call| call.traceparent.as_deref() == Some(CALLER)));
    assert!(!world.gateway.metrics().await.contains("kyc_gateway_spans_total"));
}
