//! What it costs to find a tenant among 1,000, next to the same look-up in a bare map.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first failure")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use kyc_model::TenantTable;
use kyc_plugin_api::testkit;

fn tenant_lookup(criterion: &mut Criterion) {
    let mut table = TenantTable::default();
    let mut control = HashMap::new();
    for number in 0..1000 {
        let tenant = Arc::new(testkit::tenant(
            &format!("tenant-{number}"),
            "https://api.eu.onfido.com/v3.6",
            "https://portal.example/",
        ));
        control.insert(tenant.subscription_id.as_str().to_owned(), Arc::clone(&tenant));
        table.insert(tenant).unwrap();
    }

    let mut group = criterion.benchmark_group("tenant lookup");
    group.bench_function("by subscription", |b| {
        b.iter(|| table.by_subscription(black_box("sub-tenant-777")).map(Arc::clone))
    });
    group.bench_function("by name", |b| b.iter(|| table.by_name(black_box("tenant-777")).map(Arc::clone)));
    group.bench_function("bare map", |b| b.iter(|| control.get(black_box("sub-tenant-777")).map(Arc::clone)));
    group.finish();
}

criterion_group!(benches, tenant_lookup);
criterion_main!(benches);
