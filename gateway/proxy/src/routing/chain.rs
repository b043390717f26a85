//! The plugins of a route, as one list per phase, compiled when the configuration loads.
//!
//! So a phase calls only the plugins that implement it. Response phases run in reverse order: the plugin that saw the request
//! first sees the response last.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kyc_plugin_api::{Ctx, Flow, Outcome, Phases, Plugin, Result};
use pingora_http::{RequestHeader, ResponseHeader};

/// One list of plugins per phase; empty for a phase that no plugin implements.
#[derive(Default)]
pub struct Chains {
    request: Vec<Arc<dyn Plugin>>,
    request_body: Vec<Arc<dyn Plugin>>,
    upstream_request: Vec<Arc<dyn Plugin>>,
    response: Vec<Arc<dyn Plugin>>,
    response_body: Vec<Arc<dyn Plugin>>,
    buffered_response: Vec<Arc<dyn Plugin>>,
    logging: Vec<Arc<dyn Plugin>>,
}

// === impl Chains ===

impl Chains {
    /// Sorts plugins into phases: request phases in the order given, response phases reversed.
    pub fn compile(plugins: &[(String, Arc<dyn Plugin>)]) -> Self {
        let phase = |phase: Phases| {
            let takes_part = move |(_, plugin): &&(String, Arc<dyn Plugin>)| plugin.phases().contains(phase);
            plugins.iter().filter(takes_part).map(|(_, plugin)| Arc::clone(plugin))
        };
        Self {
            request: phase(Phases::REQUEST).collect(),
            request_body: phase(Phases::REQUEST_BODY).collect(),
            upstream_request: phase(Phases::UPSTREAM_REQUEST).collect(),
            response: phase(Phases::RESPONSE).rev().collect(),
            response_body: phase(Phases::RESPONSE_BODY).rev().collect(),
            buffered_response: phase(Phases::BUFFERED_RESPONSE).rev().collect(),
            logging: phase(Phases::LOGGING).rev().collect(),
        }
    }

    /// Returns whether a plugin of the chain may request that bodies are buffered.
    pub(crate) fn buffers_bodies(&self) -> bool {
        !self.request_body.is_empty()
    }

    /// Runs the request phase until a plugin responds.
    ///
    /// # Errors
    ///
    /// The first plugin's problem.
    pub fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        for plugin in &self.request {
            if let Flow::Respond(response) = plugin.request_filter(head, cx)? {
                return Ok(Flow::Respond(response));
            }
        }
        Ok(Flow::Next)
    }

    /// Runs the request body phase until a plugin responds.
    ///
    /// # Errors
    ///
    /// The first plugin's problem.
    pub async fn request_body_filter(
        &self,
        head: &RequestHeader,
        body: &mut Bytes,
        cx: &mut Ctx,
    ) -> Result<Flow> {
        for plugin in &self.request_body {
            if let Flow::Respond(response) = plugin.request_body_filter(head, body, cx).await? {
                return Ok(Flow::Respond(response));
            }
        }
        Ok(Flow::Next)
    }

    /// Runs the upstream request phase.
    ///
    /// # Errors
    ///
    /// The first plugin's problem.
    pub fn upstream_request_filter(&self, head: &mut RequestHeader, cx: &mut Ctx) -> Result<()> {
        self.upstream_request.iter().try_for_each(|plugin| plugin.upstream_request_filter(head, cx))
    }

    /// Runs the response head phase.
    ///
    /// # Errors
    ///
    /// The first plugin's problem.
    pub fn response_filter(
        &self,
        head: &mut ResponseHeader,
        request: &RequestHeader,
        cx: &mut Ctx,
    ) -> Result<()> {
        self.response.iter().try_for_each(|plugin| plugin.response_filter(head, request, cx))
    }

    /// Runs the response body phase.
    ///
    /// # Errors
    ///
    /// The first plugin's problem.
    pub fn response_body_filter(&self, chunk: &mut Option<Bytes>, end: bool, cx: &mut Ctx) -> Result<()> {
        self.response_body.iter().try_for_each(|plugin| plugin.response_body_filter(chunk, end, cx))
    }

    /// Runs the phase of a response that a plugin has asked to be buffered.
    pub async fn buffered_response_filter(&self, body: &Bytes, cx: &mut Ctx) {
        for plugin in &self.buffered_response {
            plugin.buffered_response_filter(body, cx).await;
        }
    }

    /// Runs the logging phase.
    pub fn logging(&self, outcome: &Outcome, cx: &Ctx) {
        for plugin in &self.logging {
            plugin.logging(outcome, cx);
        }
    }
}

impl fmt::Debug for Chains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chains")
            .field("request", &self.request.len())
            .field("request_body", &self.request_body.len())
            .field("upstream_request", &self.upstream_request.len())
            .field("response", &self.response.len())
            .field("response_body", &self.response_body.len())
            .field("buffered_response", &self.buffered_response.len())
            .field("logging", &self.logging.len())
            .finish()
    }
}
