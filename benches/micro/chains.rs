//! What plugins cost: the header phases of one request through chains of 0, 1 and 8.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first failure")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use kyc_plugin_api::{Ctx, Flow, Plugin, Result, plugin, testkit};
use kyc_proxy::Chains;
use pingora_http::{RequestHeader, ResponseHeader};

/// Looks at one header in each phase: the least that a useful plugin does.
struct Looker;

#[plugin]
impl Plugin for Looker {
    fn request_filter(&self, head: &RequestHeader, _cx: &mut Ctx) -> Result<Flow> {
        black_box(head.headers.get("accept"));
        Ok(Flow::Next)
    }

    fn upstream_request_filter(&self, head: &mut RequestHeader, _cx: &mut Ctx) -> Result<()> {
        black_box(head.headers.get("accept"));
        Ok(())
    }

    fn response_filter(
        &self,
        head: &mut ResponseHeader,
        _request: &RequestHeader,
        _cx: &mut Ctx,
    ) -> Result<()> {
        black_box(head.headers.get("link"));
        Ok(())
    }
}

fn chains(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chains");
    for length in [0, 1, 8] {
        let plugins: Vec<(String, Arc<dyn Plugin>)> =
            (0..length).map(|_| ("looker".to_owned(), Arc::new(Looker) as Arc<dyn Plugin>)).collect();
        let chains = Chains::compile(&plugins);
        let mut head = testkit::head("GET", "/applicants", &[("accept", "application/json")]);
        let mut answer = ResponseHeader::build(200, None).unwrap();
        let mut cx = testkit::ctx([]);
        group.bench_function(format!("{length} plugins"), |b| {
            b.iter(|| {
                let flow = chains.request_filter(black_box(&head), &mut cx);
                assert!(matches!(flow, Ok(Flow::Next)));
                chains.upstream_request_filter(black_box(&mut head), &mut cx).unwrap();
                chains.response_filter(black_box(&mut answer), &head, &mut cx).unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, chains);
criterion_main!(benches);
