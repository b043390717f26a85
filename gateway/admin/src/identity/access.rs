//! Authentication of operators: a bearer token from a file or of an OpenID Connect provider, or a client certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use kyc_model::{CallerName, ClientCertificate, Secret, SecretSource, SecretSourceError, ShortSecretError};
use kyc_tokens::{TokenVerifier, Verdict};
use pingora::protocols::http::ServerSession;

use crate::roles::{Operation, Role};

/// A login of operators.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name in the log and in audit records.
    pub name: String,
    /// The role, which decides the allowed operations.
    pub role: Role,
    /// The credential that authenticates it.
    pub proof: Proof,
}

/// The credential of a login.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The content of a file, which is read again for each request, so that a token can be replaced.
    Token(PathBuf),
    /// A certificate's subject, or one of its alternative names.
    Certificate(String),
    /// A token of an OpenID Connect provider with the configured claims.
    Provider(Box<TokenVerifier>),
}

/// Who may use the operations of a listener.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody who can connect: all users of the machine, or the users who may open the socket. The text is the kind of access.
    Open(&'static str),
    /// Only authenticated operators.
    Logins(Arc<[Login]>),
}

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
enum TokenFileError {
    #[error(transparent)]
    Unreadable(#[from] SecretSourceError),
    #[error(transparent)]
    Short(#[from] ShortSecretError),
}

/// An authenticated operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub name: String,
    /// The subject of a provider's token; several people can share a login.
    pub subject: Option<String>,
    /// `None`: every role.
    role: Option<Role>,
    /// The kind of credential.
    pub way: &'static str,
}

// === impl Access ===

impl Access {
    /// Authenticates the operator of a request; `None` without a valid credential.
    pub fn caller(&self, session: &ServerSession) -> Option<Caller> {
        let logins = match self {
            Self::Open(way) => {
                return Some(Caller { name: (*way).to_owned(), subject: None, role: None, way });
            }
            Self::Logins(logins) => logins,
        };
        let fields = &session.req_header().headers;
        if !fields.contains_key(AUTHORIZATION) {
            let tls = session.digest().and_then(|digest| digest.ssl_digest.as_ref())?;
            let login = by_certificate(logins, tls.extension.get::<Arc<ClientCertificate>>()?)?;
            return Some(Caller::new(login, "certificate", None));
        }
        match by_token(logins, kyc_tokens::bearer(fields)?) {
            Some(login) => Some(Caller::new(login, "token", None)),
            None => by_provider(logins, fields),
        }
    }
}

// === impl Caller ===

impl Caller {
    fn new(login: &Login, way: &'static str, subject: Option<String>) -> Self {
        Self { name: login.name.clone(), subject, role: Some(login.role), way }
    }

    pub fn may(&self, operation: &Operation) -> bool {
        self.role.is_none_or(|role| operation.is_allowed(role))
    }

    pub fn role(&self) -> &'static str {
        self.role.map_or("all", Role::name)
    }
}

/// Compares with every token, so that timing does not reveal which one matches.
fn by_token<'a>(logins: &'a [Login], given: &str) -> Option<&'a Login> {
    let mut found = None;
    for login in logins {
        let Proof::Token(file) = &login.proof else { continue };
        match token_of(file) {
            Ok(token) if token.matches(given.as_bytes()) => found = found.or(Some(login)),
            Ok(_) => {}
            Err(error) => tracing::error!(login = login.name, %error, "cannot use the token of a login"),
        }
    }
    found
}

fn by_certificate<'a>(logins: &'a [Login], certificate: &ClientCertificate) -> Option<&'a Login> {
    logins.iter().find(|login| match &login.proof {
        Proof::Token(_) | Proof::Provider(_) => false,
        Proof::Certificate(name) => {
            certificate.subject == *name || certificate.names.iter().any(|own| own == name)
        }
    })
}

/// Returns whether a request has the token of a file. The file is read for each request, so that the token can be replaced.
pub(crate) fn has_token(file: &Path, fields: &HeaderMap) -> bool {
    match (token_of(file), kyc_tokens::bearer(fields)) {
        (Ok(token), Some(given)) => token.matches(given.as_bytes()),
        (Ok(_), None) => false,
        (Err(error), _) => {
            tracing::error!(%error, "cannot use the token for metrics");
            false
        }
    }
}

/// Reads the token. Its length is checked each time, because the file may have been replaced since the start.
fn token_of(file: &Path) -> Result<Secret, TokenFileError> {
    let token = SecretSource::File(file.to_owned()).read()?;
    token.check_length()?;
    Ok(token)
}

/// Finds the first login whose provider signed the token and whose claims it contains.
fn by_provider(logins: &[Login], fields: &HeaderMap) -> Option<Caller> {
    logins.iter().find_map(|login| {
        let Proof::Provider(tokens) = &login.proof else { return None };
        match tokens.verify(fields) {
            Verdict::Valid(claims) => {
                let name = kyc_tokens::caller_names(&claims).next();
                let subject = name.map(|(kind, value)| CallerName::new(kind, value).to_string());
                let subject = subject.map(|subject| subject.chars().take(MAX_SUBJECT).collect());
                Some(Caller::new(login, "provider", subject))
            }
            Verdict::Invalid => None,
            Verdict::Undecided => {
                tracing::warn!(
                    login = login.name,
                    "cannot verify a token: its provider's keys were never fetched"
                );
                None
            }
        }
    })
}

/// The longest subject in a record, in characters.
const MAX_SUBJECT: usize = 200;
