//! Who an operator is: by a bearer token from a file, or by a client certificate.

use std::path::PathBuf;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use kyc_model::SecretSource;
use kyc_plugin_api::ClientCertificate;
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;

use super::roles::{Operation, Role};

/// One way to log in.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) proof: Proof,
}

/// What shows who somebody is.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// The content of a file, which is read again for each request, so that a token can be replaced.
    Token(PathBuf),
    /// A certificate's subject, or one of its alternative names.
    Certificate(String),
}

/// Who may ask.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Whoever can reach the listener: the machine's own users, or those who may open the socket.
    Open(&'static str),
    /// Those who log in.
    Logins(Arc<[Login]>),
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    /// None: all of them.
    role: Option<Role>,
    /// How he logged in.
    pub(crate) way: &'static str,
}

// === impl Access ===

impl Access {
    /// Says who asks, if he may be known.
    pub(crate) fn caller(&self, session: &ServerSession) -> Option<Caller> {
        let logins = match self {
            Self::Open(way) => return Some(Caller { name: (*way).to_owned(), role: None, way }),
            Self::Logins(logins) => logins,
        };
        let head = session.req_header();
        let (login, way) = if head.headers.contains_key(AUTHORIZATION) {
            (by_token(logins, bearer(head)?)?, "token")
        } else {
            let tls = session.digest().and_then(|digest| digest.ssl_digest.as_ref())?;
            (by_certificate(logins, tls.extension.get::<Arc<ClientCertificate>>()?)?, "certificate")
        };
        Some(Caller { name: login.name.clone(), role: Some(login.role), way })
    }
}

// === impl Caller ===

impl Caller {
    pub(crate) fn may(&self, operation: &Operation) -> bool {
        self.role.is_none_or(|role| operation.is_allowed(role))
    }

    pub(crate) fn role(&self) -> &'static str {
        self.role.map_or("all", Role::name)
    }
}

/// Compares with every token, so that the time tells nothing of which one fits.
fn by_token<'a>(logins: &'a [Login], given: &str) -> Option<&'a Login> {
    let mut found = None;
    for login in logins {
        let Proof::Token(file) = &login.proof else { continue };
        match SecretSource::File(file.clone()).read() {
            Ok(token) if token.matches(given.as_bytes()) => found = found.or(Some(login)),
            Ok(_) => {}
            Err(error) => tracing::error!(login = login.name, %error, "an admin token cannot be read"),
        }
    }
    found
}

fn by_certificate<'a>(logins: &'a [Login], certificate: &ClientCertificate) -> Option<&'a Login> {
    logins.iter().find(|login| match &login.proof {
        Proof::Token(_) => false,
        Proof::Certificate(name) => {
            certificate.subject == *name || certificate.names.iter().any(|own| own == name)
        }
    })
}

/// The token of the one `Authorization` field (RFC 6750, section 2.1).
fn bearer(head: &RequestHeader) -> Option<&str> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
