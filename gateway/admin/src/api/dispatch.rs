//! Dispatches admin requests: authenticates the operator, checks the role, records a change, and only then calls the page that
//! answers.
//!
//! A change is recorded before it is made. A record "begun" without a later record of its end means that the process ended in
//! between, and that the change may have been made in part.

use std::fmt;
use std::sync::Arc;

use http::{Method, Response, StatusCode, header};
use kyc_events::AuditError;
use kyc_plugin_api::{AdminPages, Changed};
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::api::answers::{INTENT, challenged, refused};
use crate::api::reason::{Reason, ReasonError};
use crate::audit::Audit;
use crate::audit::record::{Attempt, FilterError, Peer, filter};
use crate::identity::access::{Access, Caller};
use crate::known_secrets::KnownSecrets;
use crate::roles::{Effect, Operation};

/// The admin operations of one listener, for the operators that may log in there.
#[derive(Clone)]
pub struct Dispatcher {
    services: Services,
    access: Access,
}

/// What all admin listeners share: the operations, the audit log, the secrets that must not be recorded.
#[derive(Clone)]
pub struct Services {
    operations: Arc<[Arc<dyn AdminPages>]>,
    audit: Arc<Audit>,
    secrets: KnownSecrets,
}

/// Why an admin request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("log in: a token or a certificate is needed")]
    Unknown,
    #[error("the role {role} may not use {operation}")]
    Role { role: &'static str, operation: &'static str },
    // Protects from cross-site request forgery: a page cannot add this header to a request to another origin.
    #[error("{INTENT} is missing")]
    Intent,
    #[error(transparent)]
    Reason(#[from] ReasonError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("the reason or a parameter contains a secret: nothing was changed, and the text is not recorded")]
    Secret,
    #[error("nothing was changed, because a change needs its audit record: {0}")]
    Audit(#[from] AuditError),
}

// === impl Services ===

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

impl Services {
    /// Creates the shared services. `secrets` must not appear in reasons and parameters.
    pub fn new(operations: Vec<Arc<dyn AdminPages>>, audit: Audit, secrets: KnownSecrets) -> Self {
        Self { operations: operations.into(), audit: Arc::new(audit), secrets }
    }
}

// === impl Dispatcher ===

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// Offers the operations to operators that `access` authenticates.
    pub fn new(services: Services, access: Access) -> Self {
        Self { services, access }
    }

    /// Finds the pages that a path belongs to, and the rest of the path.
    pub(crate) fn find<'a>(&self, path: &'a str) -> Option<(&Arc<dyn AdminPages>, &'a str)> {
        self.services.operations.iter().find_map(|operations| {
            let rest = path.strip_prefix('/')?.strip_prefix(operations.name())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((operations, rest))
        })
    }

    pub(crate) async fn respond(
        &self,
        session: &ServerSession,
        peer: Peer,
        operations: &Arc<dyn AdminPages>,
        rest: &str,
    ) -> Response<Vec<u8>> {
        let head = session.req_header();
        let operation = Operation::of(&head.method, head.uri.path());
        let caller = self.access.caller(session);
        let mut response =
            match self.authorize_and_answer(head, peer, caller.as_ref(), operation, (operations, rest)).await
            {
                Ok(response) => response,
                Err(refusal) => {
                    self.log_refusal(head, peer, caller.as_ref(), operation, &refusal).await;
                    return refusal.answer();
                }
            };
        let length = response.body().len();
        response.headers_mut().insert(header::CONTENT_LENGTH, http::HeaderValue::from(length));
        if head.method == Method::HEAD {
            response.body_mut().clear();
        }
        response
    }

    /// Records a request that was refused because of its `Host` or `Origin`, before authentication.
    pub(crate) async fn deny(&self, head: &RequestHeader, peer: Peer, status: StatusCode) {
        let operation = Operation::of(&head.method, head.uri.path());
        if operation.effect == Effect::Change {
            self.services.audit.deny(&self.attempt(head, peer, None, operation), status).await;
        }
    }

    async fn authorize_and_answer(
        &self,
        head: &RequestHeader,
        peer: Peer,
        caller: Option<&Caller>,
        operation: &'static Operation,
        (operations, rest): (&Arc<dyn AdminPages>, &str),
    ) -> Result<Response<Vec<u8>>, Refusal> {
        let caller = caller.ok_or(Refusal::Unknown)?;
        if !caller.may(operation) {
            return Err(Refusal::Role { role: caller.role(), operation: operation.name.as_str() });
        }
        let query = head.uri.query().unwrap_or_default();
        if operation.effect == Effect::Read {
            let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
            return Ok(operations.answer(method, rest, query).await);
        }
        if !head.headers.contains_key(INTENT) {
            return Err(Refusal::Intent);
        }
        let reason = Reason::of(&head.headers)?;
        if self.holds_secret(head, reason.as_str()) {
            return Err(Refusal::Secret);
        }
        let attempt = Attempt {
            filter: named(filter(query)?, head, operation),
            reason: Some(reason.as_str().to_owned()),
            ..self.attempt(head, peer, Some(caller), operation)
        };
        let begun = self.services.audit.begin(&attempt).await?;
        let (method, rest, query) = (head.method.clone(), rest.to_owned(), query.to_owned());
        let (operations, audit) = (Arc::clone(operations), Arc::clone(&self.services.audit));
        // In a task of its own: a client that disconnects must not keep the end of the change from being recorded.
        let changed = tokio::spawn(async move {
            let response = operations.answer(&method, &rest, &query).await;
            let count = response.extensions().get::<Changed>().map(|changed| changed.0);
            let _retry = audit.end(&attempt, begun, response.status(), count).await;
            response
        });
        changed.await.map_err(|_| {
            AuditError::Failed("the task of the change ended without a result".to_owned()).into()
        })
    }

    /// Logs a refusal, and records it when the request was a change.
    async fn log_refusal(
        &self,
        head: &RequestHeader,
        peer: Peer,
        caller: Option<&Caller>,
        operation: &Operation,
        refusal: &Refusal,
    ) {
        let operator = caller.map(|caller| caller.name.as_str());
        let (peer_text, name) = (peer.to_string(), operation.name.as_str());
        match refusal {
            Refusal::Audit(error) => {
                tracing::error!(operator, operation = name, %error, "change refused: its audit record cannot be stored");
            }
            refusal => {
                tracing::warn!(operator, peer = peer_text, operation = name, reason = %refusal, "an operator's request was refused");
            }
        }
        if operation.effect == Effect::Change
            && matches!(refusal, Refusal::Unknown | Refusal::Role { .. } | Refusal::Intent | Refusal::Secret)
        {
            self.services.audit.deny(&self.attempt(head, peer, caller, operation), refusal.status()).await;
        }
    }

    /// Builds the attempt without its reason. A query that is invalid or contains a secret is left out.
    fn attempt(
        &self,
        head: &RequestHeader,
        peer: Peer,
        caller: Option<&Caller>,
        operation: &Operation,
    ) -> Attempt {
        let query = head.uri.query().unwrap_or_default();
        let filter = if self.holds_secret(head, "") { Err(()) } else { filter(query).map_err(drop) };
        Attempt {
            operator: caller.map(|caller| caller.name.clone()),
            subject: caller.and_then(|caller| caller.subject.clone()),
            way: caller.map(|caller| caller.way),
            role: caller.map(Caller::role),
            from: peer,
            operation: operation.name.clone(),
            filter: named(filter.unwrap_or_default(), head, operation),
            reason: None,
        }
    }

    /// Returns whether a text, or a parameter of the request, contains a known secret.
    fn holds_secret(&self, head: &RequestHeader, text: &str) -> bool {
        let parameters = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let parameters: Vec<_> = parameters.flat_map(|(name, value)| [name, value]).collect();
        let texts = parameters.iter().map(AsRef::as_ref).chain([text, head.uri.path()]);
        self.services.secrets.are_in(&head.headers, texts)
    }
}

/// Builds the filter of a record. Pages of plugins share one operation name, so the filter also contains method and path.
fn named(mut filter: Map<String, Value>, head: &RequestHeader, operation: &Operation) -> Map<String, Value> {
    if operation.is_unknown() {
        let request: String =
            format!("{} {}", head.method, head.uri.path()).chars().take(MAX_REQUEST).collect();
        filter.insert("request".to_owned(), request.into());
    }
    filter
}

/// The longest method and path in a record, in characters.
const MAX_REQUEST: usize = 200;

// === impl Refusal ===

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::Role { .. } | Self::Intent => StatusCode::FORBIDDEN,
            Self::Reason(_) | Self::Filter(_) | Self::Secret => StatusCode::BAD_REQUEST,
            Self::Audit(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn answer(&self) -> Response<Vec<u8>> {
        match self {
            Self::Unknown => challenged(&self.to_string()),
            refusal => refused((refusal.status(), &refusal.to_string())),
        }
    }
}
