//! Durations by tenant and operation, and the limits of the configuration beside the values that they bound.

use crate::support::soon;
use crate::support::world::World;

/// A call of 30 ms and one of 90 ms, or of 0.3 s and 2 s, were in the same bucket.
#[tokio::test(flavor = "multi_thread")]
async fn durations_are_known_by_tenant_and_operation_and_limits_beside_values() {
    let world = World::start("").await;
    let client = reqwest::Client::new();
    for path in ["applicants", "applicants/1"] {
        let call = client.get(world.gateway.url(&format!("/dcs/kyc2/{path}")));
        call.header("SubscriptionId", "sub-acme").send().await.unwrap();
    }

    let metrics = soon(async || {
        let metrics = world.gateway.metrics().await;
        metrics.contains(r#"operation="find_applicant",le="+Inf"} 1"#).then_some(metrics)
    })
    .await;

    for (le, other) in [("0.02", "0.1"), ("0.25", "2.5")] {
        let bucket =
            |le: &str| format!(r#"kyc_gateway_upstream_duration_seconds_bucket{{route="onfido",le="{le}"}}"#);
        let position = |le: &str| metrics.find(&bucket(le)).unwrap();
        assert!(metrics[position(le)..position(other)].lines().count() >= 4, "{le} {other}");
    }
    for series in [
        r#"kyc_gateway_tenant_request_duration_seconds_count{route="onfido",tenant="acme"} 2"#,
        r#"kyc_gateway_operation_duration_seconds_count{operation="list_applicants"} 1"#,
        "kyc_gateway_ready 1",
        "kyc_gateway_event_store_max_bytes 10737418240",
        "kyc_gateway_event_store_max_wal_bytes 2147483648",
        "kyc_gateway_event_store_max_tenant_events 5000000",
        "kyc_gateway_delivery_give_up_seconds 604800",
        "kyc_gateway_delivery_probe_interval_seconds ",
        "kyc_gateway_tenants_poll_interval_seconds ",
        r#"kyc_gateway_downstream_connections_limit{listener="main"} "#,
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_start_time_seconds ",
    ] {
        assert!(metrics.contains(&format!("\n{series}")), "{series} is not in {metrics}");
    }
    assert!(!metrics.contains("tenants_max_age"), "{metrics}");
    world.gateway.stop().await;
}
