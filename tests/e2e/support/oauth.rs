//! A simulated Onfido with an OAuth2 token endpoint, whose answers a test scripts. It checks each call's token as Onfido does: a
//! token is valid from its issue to the end of its life.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::gateway::tenant;

/// A running simulator.
#[derive(Clone)]
pub(crate) struct OAuthOnfido {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Book>>,
}

/// What the token endpoint does in place of issuing a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Odd {
    /// 200 without a body.
    Empty,
    /// This status.
    Status(u16),
    /// 429 with `Retry-After: 1`.
    Limited,
    /// 200 with text that is not JSON, which has the token `access-canary`.
    Malformed,
    /// A token with `expires_in: 0`.
    NoLife,
    /// A token after this time.
    Slow(Duration),
}

/// A token exchange as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) line: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// What was received.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) exchanges: Vec<Exchange>,
    /// The issued tokens: the secret they were issued for, and when they end.
    pub(crate) issued: HashMap<String, (String, Instant)>,
    /// The `Authorization` of each call.
    pub(crate) calls: Vec<String>,
    /// Calls with a token after the end of its life.
    pub(crate) expired: usize,
    /// What the exchanges of a client get next, by client id.
    pub(crate) script: HashMap<String, VecDeque<Option<Odd>>>,
    life: Duration,
    /// Whether every call gets 401.
    pub(crate) refuses_calls: bool,
}

// === impl OAuthOnfido ===

impl OAuthOnfido {
    /// Starts the simulator; its tokens live for `life`.
    pub(crate) async fn start(life: Duration) -> Self {
        super::install_crypto_provider();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(Mutex::new(Book { life, ..Book::default() }));
        let this = Self { address: listener.local_addr().unwrap(), state };
        let router =
            Router::new().route("/v3.6/oauth/token", post(exchange)).fallback(call).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        this
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.state.lock().unwrap()
    }

    /// Returns how many tokens were issued, how many exchanges were made, and how many calls had an expired token.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let book = self.book();
        (book.issued.len(), book.exchanges.len(), book.expired)
    }

    /// Makes all issued tokens invalid.
    pub(crate) fn revoke(&self) {
        self.book().issued.clear();
    }
}

/// An entry of the tenant document with the OAuth client `id-{name}` and `secret` in place of the API token.
pub(crate) fn oauth_tenant(name: &str, secret: &str) -> Value {
    let mut entry = tenant(name, "http://127.0.0.1:9/portal");
    entry.as_object_mut().unwrap().remove("apiToken");
    entry["clientId"] = json!(format!("id-{name}"));
    entry["clientSecret"] = json!(secret);
    entry
}

async fn exchange(State(onfido): State<OAuthOnfido>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let content_type = request.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    let body: Bytes = to_bytes(request.into_body(), 65536).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let fields = body.strip_prefix("client_id=").and_then(|rest| rest.split_once("&client_secret="));
    let (id, secret) = fields.map(|(id, secret)| (id.to_owned(), secret.to_owned())).unwrap();
    let odd = {
        let mut book = onfido.book();
        book.exchanges.push(Exchange { line, content_type, body });
        book.script.get_mut(&id).and_then(VecDeque::pop_front).flatten()
    };
    match odd {
        Some(Odd::Empty) => return StatusCode::OK.into_response(),
        Some(Odd::Status(status)) => return StatusCode::from_u16(status).unwrap().into_response(),
        Some(Odd::Limited) => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
        Some(Odd::Malformed) => return "{\"access_token\":\"access-canary\" oops".into_response(),
        Some(Odd::NoLife) => {
            return json!({ "access_token": "access-canary", "expires_in": 0 }).to_string().into_response();
        }
        Some(Odd::Slow(time)) => tokio::time::sleep(time).await,
        None => {}
    }
    let mut book = onfido.book();
    let (number, life) = (book.exchanges.len(), book.life);
    let token = format!("access-{id}-{number}");
    book.issued.insert(token.clone(), (secret, Instant::now() + life));
    let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life.as_secs_f64() });
    // The gateway must not depend on the clock of the provider.
    ([(DATE, "Fri, 01 Jan 2100 00:00:00 GMT")], body.to_string()).into_response()
}

/// Answers with the credential, or with 401.
async fn call(State(onfido): State<OAuthOnfido>, request: Request) -> Response {
    let authorization = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
    let mut book = onfido.book();
    book.calls.push(authorization.clone());
    let is_valid = match authorization.strip_prefix("Bearer ") {
        Some(token) => match book.issued.get(token).map(|(_, end)| *end) {
            Some(end) if end < Instant::now() => {
                book.expired += 1;
                false
            }
            found => found.is_some(),
        },
        None => authorization.starts_with("Token token="),
    };
    match is_valid && !book.refuses_calls {
        true => json!({ "credential": authorization, "token": "signing" }).to_string().into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}
