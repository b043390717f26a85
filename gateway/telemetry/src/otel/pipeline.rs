//! Exports ended spans to the collector, on a thread of the OpenTelemetry library, and counts them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::Context;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};
use tokio::runtime::Runtime;

use super::env::EnvironmentError;
use super::resource::resource;
use crate::exporter::client::{client, read_bounded};
use crate::metrics::{Counter, Metrics};

/// Builds the tracer provider. The library reads `OTEL_BSP_*` (queue, batches, intervals) and `OTEL_TRACES_SAMPLER` itself.
pub(super) fn provider(metrics: &Metrics) -> Result<SdkTracerProvider, EnvironmentError> {
    let failed =
        |reason: String| EnvironmentError { variable: "OTEL_EXPORTER_OTLP_TRACES".to_owned(), reason };
    let client = SpanTransport::new().map_err(|error| failed(error.to_string()))?;
    // The exporter's own error may quote the value of a variable, so it is not shown.
    let exporter = OtlpExporter::builder()
        .with_http()
        .with_http_client(client)
        .build()
        .map_err(|_| failed("cannot export spans with these settings".to_owned()))?;
    let (exported, failed) = (metrics.spans("exported"), metrics.spans("failed"));
    let batches = BatchSpanProcessor::builder(CountedExporter {
        exporter,
        exported,
        failed,
        failing: AtomicBool::new(false),
    })
    .build();
    let processor = CountedProcessor { processor: batches, ended: metrics.spans("ended") };
    Ok(SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource()).build())
}

/// An HTTP client with a tokio runtime of its own. The library calls it from a thread that has no runtime.
#[derive(Debug)]
struct SpanTransport {
    client: reqwest::Client,
    runtime: Runtime,
}

#[derive(Debug)]
struct CountedExporter {
    exporter: OtlpExporter,
    exported: Counter,
    failed: Counter,
    /// Whether the last batch failed. Only a change of it is logged.
    failing: AtomicBool,
}

#[derive(Debug)]
struct CountedProcessor {
    processor: BatchSpanProcessor,
    ended: Counter,
}

// === impl SpanTransport ===

impl SpanTransport {
    fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()?;
        Ok(Self { client: client().map_err(std::io::Error::other)?, runtime })
    }
}

#[async_trait]
impl HttpClient for SpanTransport {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let call = async move {
            let response = client.execute(request.try_into()?).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut bounded = Response::new(read_bounded(response).await?);
            (*bounded.status_mut(), *bounded.headers_mut()) = (status, headers);
            Ok::<_, reqwest::Error>(bounded)
        };
        Ok(self.runtime.spawn(call).await?.map_err(reqwest::Error::without_url)?)
    }
}

// === impl CountedExporter ===

impl SpanExporter for CountedExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let exported = self.exporter.export(batch).await;
        if exported.is_ok() {
            self.exported.inc_by(spans)
        } else {
            self.failed.inc_by(spans)
        }
        match (self.failing.swap(exported.is_err(), Ordering::Relaxed), &exported) {
            (false, Err(_)) => {
                tracing::warn!(collector = "otlp", "the collector does not accept spans; they are dropped")
            }
            (true, Ok(())) => tracing::info!(collector = "otlp", "the collector accepts spans again"),
            (_, _) => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

// === impl CountedProcessor ===

impl SpanProcessor for CountedProcessor {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.processor.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.ended.inc();
        }
        self.processor.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}
