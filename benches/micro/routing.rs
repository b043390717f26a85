//! What it costs to find a route, next to the same look-up in a bare router.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first failure")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use kyc_proxy::{Route, RouteTable};
use kyc_telemetry::Metrics;

fn routing(criterion: &mut Criterion) {
    let patterns = ["/dcs/kyc2/webhook/notify/{configurationName}", "/dcs/kyc2/{*path}"];
    let routes = patterns.iter().map(|path| Route {
        name: (*path).to_owned(),
        paths: vec![(*path).to_owned()],
        methods: Vec::new(),
        max_body: None,
        plugins: Vec::new(),
    });
    let table = RouteTable::compile(routes.collect(), &Metrics::new().unwrap()).unwrap();
    let mut control = matchit::Router::new();
    for (index, pattern) in patterns.iter().enumerate() {
        control.insert(*pattern, index).unwrap();
    }

    let mut group = criterion.benchmark_group("routing");
    for (name, path) in [
        ("proxied", "/dcs/kyc2/applicants/1030303-123123-123123/download"),
        ("webhook", "/dcs/kyc2/webhook/notify/acme"),
        ("unrouted", "/somewhere/else"),
    ] {
        group.bench_function(format!("{name}/table"), |b| b.iter(|| table.find(black_box(path))));
        group.bench_function(format!("{name}/bare router"), |b| {
            b.iter(|| control.at(black_box(path)).is_ok())
        });
    }
    group.finish();
}

criterion_group!(benches, routing);
criterion_main!(benches);
