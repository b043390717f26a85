//! What operators may ask for: who asks, whether he may, and only then the plugin that answers.

use std::sync::Arc;

use http::{Method, Response, StatusCode, header};
use kyc_plugin_api::Operations;
use pingora::protocols::http::ServerSession;

use super::access::Access;
use super::reason::Reason;
use super::roles::{Effect, Operation};
use super::{INTENT, refused};

/// The operations of the gateway and its plugins, as one listener offers them.
#[derive(Clone)]
pub(crate) struct Desk {
    operations: Arc<[Arc<dyn Operations>]>,
    access: Access,
}

// === impl Desk ===

impl Desk {
    pub(crate) fn new(operations: Arc<[Arc<dyn Operations>]>, access: Access) -> Self {
        Self { operations, access }
    }

    /// The plugin that a path belongs to, and what follows its name.
    pub(super) fn find<'a>(&self, path: &'a str) -> Option<(&dyn Operations, &'a str)> {
        self.operations.iter().find_map(|operations| {
            let rest = path.strip_prefix('/')?.strip_prefix(operations.name())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((operations.as_ref(), rest))
        })
    }

    pub(super) async fn respond(
        &self,
        session: &ServerSession,
        operations: &dyn Operations,
        rest: &str,
    ) -> Response<Vec<u8>> {
        let head = session.req_header();
        let Some(caller) = self.access.caller(session) else {
            let peer = session.client_addr().map(tracing::field::display);
            tracing::warn!(peer, "an operator is not known");
            let mut response =
                refused((StatusCode::UNAUTHORIZED, "log in: a token or a certificate is needed"));
            let challenge = http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            return response;
        };
        let operation = Operation::of(&head.method, head.uri.path());
        if !caller.may(operation) {
            let (name, role) = (operation.name.as_str(), caller.role());
            tracing::warn!(
                operator = caller.name,
                role,
                way = caller.way,
                operation = name,
                "an operator may not"
            );
            let reason = format!("the role {role} may not do {name}");
            return refused((StatusCode::FORBIDDEN, &reason));
        }
        // A page in somebody's browser can send a POST anywhere, but not with a header of its own.
        if operation.effect == Effect::Change && !head.headers.contains_key(INTENT) {
            return refused((StatusCode::FORBIDDEN, "x-admin-intent is missing"));
        }
        let reason = match operation.effect {
            Effect::Look => None,
            Effect::Change => match Reason::of(&head.headers) {
                Ok(reason) => Some(reason),
                Err(error) => return refused((StatusCode::BAD_REQUEST, &error.to_string())),
            },
        };
        let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
        let mut response = operations.answer(method, rest, head.uri.query().unwrap_or_default()).await;
        if let Some(reason) = reason {
            tracing::info!(
                operator = caller.name,
                operation = operation.name,
                reason = reason.as_str(),
                status = response.status().as_u16(),
                "an operator made a change"
            );
        }
        let length = response.body().len();
        response.headers_mut().insert(header::CONTENT_LENGTH, http::HeaderValue::from(length));
        if head.method == Method::HEAD {
            response.body_mut().clear();
        }
        response
    }
}
