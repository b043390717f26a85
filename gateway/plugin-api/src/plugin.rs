//! The plugin trait.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderName;
use kyc_model::Problem;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::{AdminPages, Background, Challenge, Ctx, Issuer, Needs, Phases, Proofs, RouteApi};

/// What a phase returns: a value, or the problem that ends the request.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// The decision of a filter.
#[derive(Debug)]
pub enum Flow {
    /// Go on with the next plugin.
    Next,
    /// Send this response; skip further plugins and the upstream. The gateway sets the framing headers.
    Respond(http::Response<Bytes>),
}

/// A plugin's role in authentication. From the roles `check` finds routes that every caller could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It authenticates callers by a property that several may share: a secret or a network.
    ChecksCallers,
    /// It authenticates callers by a certificate or a token, which identify each caller, and records their names.
    IdentifiesCallers,
    /// It finds the tenant by the request, so that tenants must name the callers that may act for them.
    TakesTenantFromRequest,
    /// It finds the tenant by who the caller is.
    TakesTenantFromCaller,
    /// It forwards requests with a tenant's credential: every accepted caller acts as that tenant.
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
    /// The time from the request head to the last byte of the answer.
    pub duration: Duration,
    /// The time from the choice of an upstream to its response head, if there was one.
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
    /// Returns the phases of the hooks that the plugin implements. The attribute [`plugin`](macro@crate::plugin) writes this method; it is
    /// not written by hand.
    fn phases(&self) -> Phases;

    /// Called once with the downstream head, before any byte of the body is read.
    ///
    /// May identify the tenant, choose the upstream ([`Ctx::set_target`]), request the body
    /// ([`Ctx::buffer_body`]), answer or refuse.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that ends the request.
    fn request_filter(&self, _head: &RequestHeader, _cx: &mut Ctx) -> Result<Flow> {
        Ok(Flow::Next)
    }

    /// Called once with the complete request body, if a plugin of the route requested it.
    ///
    /// May replace the body: the gateway corrects the framing. It runs before the upstream request, and may wait.
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

    /// Edits the head that is sent upstream, once per attempt, on a new copy without hop-by-hop headers and without the credentials
    /// of the caller. The gateway attaches the tenant's credential after the last plugin.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that ends the request.
    fn upstream_request_filter(&self, _head: &mut RequestHeader, _cx: &mut Ctx) -> Result<()> {
        Ok(())
    }

    /// Edits the response head, also of responses of the gateway or of a plugin; `request` is the downstream request head.
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

    /// Called with each piece of an upstream's response body; `end` marks the last one. The length must not change.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that aborts the response.
    fn response_body_filter(&self, _chunk: &mut Option<Bytes>, _end: bool, _cx: &mut Ctx) -> Result<()> {
        Ok(())
    }

    /// Called once with the beginning of the body of an upstream's response, if a plugin of the route requested it
    /// ([`Ctx::buffer_response`]): all of it, or what was there when a limit was reached or the upstream broke off. The caller gets
    /// the response afterwards, so the hook may wait for what must be done first. It cannot change the response or fail the call:
    /// the upstream has acted already.
    ///
    /// It runs also for a caller that has left, if the plugin asked for that ([`Ctx::outlast_caller`]).
    async fn buffered_response_filter(&self, _body: &Bytes, _cx: &mut Ctx) {}

    /// Returns the role in authentication; default [`Role::Other`].
    fn role(&self) -> Role {
        Role::Other
    }

    /// Returns the requirements on the route; default none.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Returns the kinds of credentials that the plugin verifies and records; default none.
    fn proves(&self) -> Proofs {
        Proofs::default()
    }

    /// Returns the challenges of a 401 on the route (RFC 9110 §11.6.1), such as `Bearer`: one for each kind of credential that the
    /// plugin asks for; default none. They do not depend on the request, so that a 401 does not say which credential was wrong.
    fn challenges(&self) -> Vec<Challenge> {
        Vec::new()
    }

    /// Returns the issuer of the tokens that the plugin accepts; default none.
    fn issuer(&self) -> Option<Issuer> {
        None
    }

    /// Returns the request headers that hold a credential for the gateway; default none. They are forwarded on no route, also not on
    /// those without the plugin, to which a caller may send them by mistake.
    fn private_headers(&self) -> Vec<HeaderName> {
        Vec::new()
    }

    /// Returns the background task of this instance; default none.
    fn background(&self) -> Option<Arc<dyn Background>> {
        None
    }

    /// Returns the pages that this instance adds to the admin listener; default none.
    fn admin_pages(&self) -> Option<Arc<dyn AdminPages>> {
        None
    }

    /// Adds the parameters, responses and refusals of the plugin to the OpenAPI description of the route; default none.
    fn describe(&self, _api: &mut RouteApi) {}

    /// Called last, once for each request, with its outcome; not after a panic.
    fn logging(&self, _outcome: &Outcome, _cx: &Ctx) {}
}

#[cfg(test)]
mod tests;
