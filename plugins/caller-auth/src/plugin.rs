//! The guard.

use std::path::Path;
use std::sync::Arc;

use http::HeaderName;
use ipnet::{IpNet, Ipv4Net};
use kyc_model::{Secret, SecretSource};
use kyc_plugin_api::{
    Background, Build, Ctx, Flow, Phases, Plugin, Problem, ProblemKind, Result, Role, RouteApi,
};
use kyc_telemetry::names;
use pingora_http::RequestHeader;
use prometheus::IntCounterVec;
use serde_json::json;

use crate::config::{Config, Require};
use crate::forwarded::Forwarded;
use crate::token::{Demand, Keys, Tokens, Verdict};

/// Lets in who shows what is asked for. Whatever is wrong, the answer is the same; metrics and the log say more.
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    require: Require,
    header: HeaderName,
    /// The secrets that are valid now; empty: none is asked for.
    secrets: Vec<Secret>,
    /// The networks that may call; empty: all.
    allow: Vec<IpNet>,
    /// The proxies in front; None: the peer is the caller.
    forwarded: Option<Forwarded>,
    /// The client certificates that may call; empty: all.
    certificates: Vec<String>,
    tokens: Option<(Tokens, Arc<Keys>)>,
    refused: IntCounterVec,
    route: String,
}

/// A check that was not passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Secret,
    Network,
    Certificate,
    Token,
}

// === impl Gatekeeper ===

impl Gatekeeper {
    pub(crate) fn new(config: Config, build: &Build<'_>) -> std::result::Result<Self, String> {
        let header = HeaderName::try_from(config.header.as_str())
            .map_err(|_| format!("header: `{}` is no header name", config.header))?;
        let (file, env) = (config.secret_file.as_deref(), config.secret_env.as_deref());
        let current = secret("secret", build.folder, file, env)?;
        let (file, env) = (config.previous_secret_file.as_deref(), config.previous_secret_env.as_deref());
        let previous = secret("previous_secret", build.folder, file, env)?;
        if current.is_none() && previous.is_some() {
            return Err("previous_secret: is of no use without a secret".to_owned());
        }
        if config.allow.as_ref().is_some_and(Vec::is_empty) {
            return Err("allow: names no network, and is left out to ask for none".to_owned());
        }
        if config.forwarded.is_some() && config.allow.is_none() {
            return Err("forwarded: is of no use without allow".to_owned());
        }
        let forwarded = config.forwarded.map(Forwarded::try_from).transpose()?;
        let networks = config.allow.unwrap_or_default().into_iter();
        let allow: Vec<IpNet> = networks.map(canonical).collect::<Result<_, _>>()?;
        let names = config.certificates.as_ref();
        if names.is_some_and(|names| names.is_empty() || names.iter().any(String::is_empty)) {
            return Err("certificates: names none, and is left out to ask for none".to_owned());
        }
        let certificates = config.certificates.unwrap_or_default();
        let asks_for_more = current.is_some() || !allow.is_empty() || !certificates.is_empty();
        let tokens = match config.token {
            Some(token) => {
                let demand = match config.require {
                    Require::Any if asks_for_more => Demand::Optional,
                    Require::Any | Require::All => Demand::Needed,
                };
                let keys = Keys::new(&token, build.folder, demand)?;
                Some((Tokens::new(token, Arc::clone(&keys))?, keys))
            }
            None => None,
        };
        if !asks_for_more && tokens.is_none() {
            return Err(
                "needs a secret (secret_file or secret_env), allow, certificates, or token".to_owned()
            );
        }
        let refused = build.collectors.counter(
            names::CALLERS_REFUSED,
            "Callers that were not let in.",
            &["route", "reason"],
        )?;
        let secrets: Vec<Secret> = current.into_iter().chain(previous).collect();
        let (require, route) = (config.require, build.route.to_owned());
        Ok(Self { require, header, secrets, allow, forwarded, certificates, tokens, refused, route })
    }

    /// What is asked for, and whether this caller has it. All of it is looked at, so that the time tells nothing.
    fn checks(&self, head: &RequestHeader, token: Option<Verdict>, cx: &Ctx) -> [Option<(Reason, bool)>; 4] {
        let secret = (!self.secrets.is_empty()).then(|| (Reason::Secret, self.has_secret(head)));
        let network = (!self.allow.is_empty()).then(|| (Reason::Network, self.is_allowed(head, cx)));
        let certificate = (!self.certificates.is_empty()).then(|| (Reason::Certificate, self.shows_one(cx)));
        let token = token.map(|verdict| (Reason::Token, verdict == Verdict::Valid));
        [secret, network, certificate, token]
    }

    /// The listener has verified it.
    fn shows_one(&self, cx: &Ctx) -> bool {
        let Some(shown) = &cx.connection().certificate else { return false };
        self.certificates
            .iter()
            .any(|known| known == "*" || *known == shown.subject || shown.names.contains(known))
    }

    fn is_allowed(&self, head: &RequestHeader, cx: &Ctx) -> bool {
        let Some(peer) = cx.connection().peer.map(|peer| peer.ip().to_canonical()) else { return false };
        let caller = self.forwarded.as_ref().map_or(peer, |proxies| proxies.caller(peer, &head.headers));
        self.allow.iter().any(|network| network.contains(&caller))
    }

    fn has_secret(&self, head: &RequestHeader) -> bool {
        let mut values = head.headers.get_all(&self.header).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => self.knows(value.as_bytes()),
            (Some(_) | None, _) => false,
        }
    }

    /// Compares with every secret, so that the time does not tell which one it was.
    fn knows(&self, candidate: &[u8]) -> bool {
        self.secrets.iter().fold(false, |known, secret| secret.matches(candidate) | known)
    }
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Network => "network",
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}

impl Plugin for Gatekeeper {
    fn role(&self) -> Role {
        Role::ChecksCallers
    }

    fn describe(&self, api: &mut RouteApi) {
        if !self.secrets.is_empty() {
            api.parameters.push(json!({
                "name": self.header.as_str(),
                "in": "header",
                "required": self.require == Require::All,
                "description": "The secret that callers share with the gateway.",
                "schema": { "type": "string" },
            }));
        }
        if self.tokens.is_some() {
            api.parameters.push(json!({
                "name": "Authorization",
                "in": "header",
                "required": self.require == Require::All,
                "description": "A bearer token of the provider that callers are known by.",
                "schema": { "type": "string" },
            }));
        }
        api.refusals.push((401, "The caller is not known."));
    }

    fn background(&self) -> Option<Arc<dyn Background>> {
        self.tokens.as_ref().map(|(_, keys)| Arc::clone(keys) as Arc<dyn Background>)
    }

    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::UPSTREAM_REQUEST
    }

    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let token = self.tokens.as_ref().map(|(tokens, _)| tokens.verdict(head));
        let checks = self.checks(head, token, cx);
        let failed = || checks.iter().flatten().filter(|(_, passed)| !passed).map(|(reason, _)| *reason);
        let is_let_in = match self.require {
            Require::All => failed().next().is_none(),
            Require::Any => checks.iter().flatten().any(|(_, passed)| *passed),
        };
        let Some(reason) = failed().next().filter(|_| !is_let_in) else { return Ok(Flow::Next) };
        let is_up_to_the_token = match self.require {
            Require::All => reason == Reason::Token,
            // A valid token lets in, whatever else is missing.
            Require::Any => true,
        };
        if is_up_to_the_token && token == Some(Verdict::Undecided) {
            return Err(Problem::new(ProblemKind::Unavailable, "the token keys were never fetched yet"));
        }
        for reason in failed() {
            self.refused.with_label_values(&[self.route.as_str(), reason.name()]).inc();
        }
        let detail = match reason {
            Reason::Secret => "the caller's secret is missing or wrong",
            Reason::Network => "the peer is in no network that may call",
            Reason::Certificate => "the peer shows no certificate of a caller",
            Reason::Token => "the caller's token is missing or not valid",
        };
        Err(Problem::new(ProblemKind::Unauthenticated, detail))
    }

    fn upstream_request_filter(&self, head: &mut RequestHeader, _cx: &mut Ctx) -> Result<()> {
        head.remove_header(&self.header);
        Ok(())
    }
}

/// Reads a secret that is asked for; a relative path counts from `folder`.
fn secret(
    name: &'static str,
    folder: &Path,
    file: Option<&Path>,
    env: Option<&str>,
) -> Result<Option<Secret>, String> {
    if file.is_none() && env.is_none() {
        return Ok(None);
    }
    let file = file.map(|file| folder.join(file));
    let read = SecretSource::choose(name, file.as_deref(), env).and_then(|source| source.read());
    read.map(Some).map_err(|error| format!("{name}: {error}"))
}

/// The network as peers are compared with it: peers with IPv4-mapped addresses (RFC 4291, section 2.5.5.2) count as
/// IPv4, so a network of such addresses would hold nobody.
fn canonical(network: IpNet) -> Result<IpNet, String> {
    let IpNet::V6(written) = network else { return Ok(network) };
    let Some(address) = written.addr().to_ipv4_mapped() else { return Ok(network) };
    let length = written.prefix_len().checked_sub(MAPPED);
    let network_of_peers = length.and_then(|length| Ipv4Net::new(address, length).ok());
    network_of_peers.map(IpNet::V4).ok_or_else(|| {
        format!("allow: `{network}` is IPv4 written as IPv6, so that it must be /{MAPPED} or more")
    })
}

/// The bits in front of an IPv4 address that is written as IPv6.
const MAPPED: u8 = 96;

#[cfg(test)]
mod tests;
