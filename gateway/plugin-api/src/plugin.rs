//! The plugin trait.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kyc_model::Problem;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::{AdminPages, Background, Ctx, Issuer, Needs, Phases, Proofs, RouteApi};

/// What a phase returns: a value, or the problem that ends the request.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// What a filter decided.
#[derive(Debug)]
pub enum Flow {
    /// Go on with the next plugin.
    Next,
    /// Answer with this, ask no further plugin and no upstream. Framing headers are the gateway's to set.
    Respond(http::Response<Bytes>),
}

/// A plugin's part in authentication, from which `check` finds routes that anybody could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It authenticates callers by something that several may share: a secret or a network.
    ChecksCallers,
    /// It authenticates callers by a certificate or a token, which identify each caller, and records their names.
    IdentifiesCallers,
    /// It finds the tenant by the request, so that tenants must name the callers that may act for them.
    TakesTenantFromRequest,
    /// It finds the tenant by who the caller is.
    TakesTenantFromCaller,
    /// It forwards requests with a tenant's credential: whoever passes acts as that tenant.
    AttachesCredentials,
    /// None of these.
    Other,
}

/// How a request ended, for [`Plugin::logging`].
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The status sent downstream; 499 when the caller left before an answer.
    pub status: u16,
    /// The error code, if the gateway itself refused or failed the request.
    pub code: Option<&'static str>,
    /// From the request head to the last byte of the answer.
    pub duration: Duration,
    /// From the choice of an upstream to its response head, when there was one.
    pub upstream_duration: Option<Duration>,
    /// Body bytes received from downstream.
    pub request_bytes: u64,
    /// Body bytes sent downstream.
    pub response_bytes: u64,
}

/// One kind of behaviour on a route.
///
/// The header hooks are synchronous: they run on every request, and must not wait. Each hook has a default that does nothing.
/// The gateway calls only the hooks that a plugin implements; the attribute [`plugin`](macro@crate::plugin) on the `impl` block
/// finds them by their names.
///
/// ```
/// use kyc_plugin_api::{Ctx, Flow, Phases, Plugin, Problem, ProblemKind, Result, plugin};
/// use pingora_http::RequestHeader;
///
/// struct ReadOnly;
///
/// #[plugin]
/// impl Plugin for ReadOnly {
///     fn request_filter(&self, head: &RequestHeader, _: &mut Ctx) -> Result<Flow> {
///         match head.method.is_safe() {
///             true => Ok(Flow::Next),
///             false => Err(Problem::new(ProblemKind::Forbidden, "the route is read only")),
///         }
///     }
/// }
///
/// assert_eq!(ReadOnly.phases(), Phases::REQUEST);
/// ```
///
/// Without the attribute a plugin does not compile, so that no hook can be implemented and never run:
///
/// ```compile_fail,E0046
/// use kyc_plugin_api::{Ctx, Outcome, Plugin};
///
/// struct Forgetful;
///
/// impl Plugin for Forgetful {
///     fn logging(&self, _: &Outcome, _: &Ctx) {}
/// }
/// ```
#[async_trait]
pub trait Plugin: Send + Sync + 'static {
    /// The phases of the hooks that the plugin implements. The attribute [`plugin`](macro@crate::plugin) writes this method; it is
    /// not written by hand.
    fn phases(&self) -> Phases;

    /// Sees the downstream head, once, before any body byte is read.
    ///
    /// May identify the tenant, choose the upstream ([`Ctx::set_target`]), ask for the body
    /// ([`Ctx::buffer_body`]), answer or refuse.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that ends the request.
    fn request_filter(&self, _head: &RequestHeader, _cx: &mut Ctx) -> Result<Flow> {
        Ok(Flow::Next)
    }

    /// Sees the whole request body, once, when some plugin of the route asked for it.
    ///
    /// Replacing the body is enough: the gateway fixes the framing. It runs before any upstream is chosen,
    /// and may wait.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that ends the request.
    async fn request_body_filter(
        &self,
        _head: &RequestHeader,
        _body: &mut Bytes,
        _cx: &mut Ctx,
    ) -> Result<Flow> {
        Ok(Flow::Next)
    }

    /// Edits the head that goes upstream, once per try, on a fresh copy from which hop-by-hop headers and
    /// every credential of the caller are already gone. The tenant's own credential is not there yet: the
    /// gateway attaches it after the last plugin.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that ends the request.
    fn upstream_request_filter(&self, _head: &mut RequestHeader, _cx: &mut Ctx) -> Result<()> {
        Ok(())
    }

    /// Edits the response head, also of answers that the gateway or a plugin made itself; `request` is the
    /// downstream head that is answered.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that replaces the answer.
    fn response_filter(
        &self,
        _head: &mut ResponseHeader,
        _request: &RequestHeader,
        _cx: &mut Ctx,
    ) -> Result<()> {
        Ok(())
    }

    /// Sees each chunk of an upstream's response body; `end` marks the last. The length must not change.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that breaks the answer off.
    fn response_body_filter(&self, _chunk: &mut Option<Bytes>, _end: bool, _cx: &mut Ctx) -> Result<()> {
        Ok(())
    }

    /// Its part in authentication; default [`Role::Other`].
    fn role(&self) -> Role {
        Role::Other
    }

    /// What it requires of its route; default nothing.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The kinds of credentials that it verifies and records; default none.
    fn proves(&self) -> Proofs {
        Proofs::default()
    }

    /// The issuer of the tokens that it accepts; default none.
    fn issuer(&self) -> Option<Issuer> {
        None
    }

    /// The background task of this instance; default none.
    fn background(&self) -> Option<Arc<dyn Background>> {
        None
    }

    /// The pages that this instance adds to the admin listener; default none.
    fn admin_pages(&self) -> Option<Arc<dyn AdminPages>> {
        None
    }

    /// Adds its parameters, answers and refusals to the OpenAPI description of the route; default nothing.
    fn describe(&self, _api: &mut RouteApi) {}

    /// Called last, once for each request, with its outcome; not after a panic.
    fn logging(&self, _outcome: &Outcome, _cx: &Ctx) {}
}

#[cfg(test)]
mod tests;
