//! The plugin: authenticates callers.
//!
//! Every configured check runs, also after one has failed. A 401 names the kinds of credentials of the route, the same in every
//! 401, but not which one was wrong: where several are required, a stranger does not learn that he has guessed one of them. Metrics
//! and the log contain the reason.

use std::sync::Arc;

use http::HeaderName;
use ipnet::IpNet;
use kyc_model::Networks;
use kyc_plugin_api::{
    Background, Build, Caller, CallerKind, CallerName, CertificateUse, Challenge, ConfigError, ConfigErrors,
    CounterFamily, Ctx, Flow, Forwarded, Issuer, Needs, Plugin, Problem, ProblemKind, Proofs, Result, Role,
    RouteApi, plugin, private_header,
};
use kyc_telemetry::names;
use kyc_tokens::{Demand, Keys, TokenConfig, TokenVerifier, Verdict};
use pingora_http::RequestHeader;
use serde_json::json;

use crate::background::CredentialRefresh;
use crate::certificates::{self, Certificates};
use crate::config::{Config, Require};
use crate::reason::Reason;
use crate::secrets::Secrets;

/// Authenticates the callers of one route.
#[derive(Clone, Debug)]
pub struct CallerAuthentication {
    require: Require,
    header: HeaderName,
    secrets: Arc<Secrets>,
    /// The networks that may call; `None` when addresses are not checked.
    allow: Option<Networks>,
    /// The trusted proxies; `None` when the peer is the caller.
    forwarded: Option<Forwarded>,
    certificates: Certificates,
    tokens: Option<(TokenVerifier, Arc<Keys>)>,
    issuer: Option<Issuer>,
    refused: CounterFamily<2>,
    route: String,
}

/// The results of the configured checks.
struct Checked {
    /// For each configured check, whether the caller passed it.
    outcomes: [Option<(Reason, bool)>; 4],
    /// The names in the credentials that passed.
    caller: Caller,
    /// Whether the token could not be verified because no keys were fetched yet.
    is_undecided: bool,
}

// === impl CallerAuthentication ===

impl CallerAuthentication {
    /// Builds the plugin from its settings; reads the secrets and certificate authorities.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be used; a configuration without any check.
    pub(crate) fn new(config: Config, build: &Build<'_>) -> std::result::Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let header = errors.take(private_header(&config.header));
        let secrets = errors.take(Secrets::new(&config, build));
        let certificates = errors.take(Certificates::new(config.certificates.as_deref()));
        let has_proxies_only = config.forwarded.is_some() && config.allow.is_none();
        errors.require(!has_proxies_only, "forwarded", "has no effect without allow");
        let has_other_checks = config.allow.is_some()
            || secrets.as_ref().is_some_and(|secrets| !secrets.is_empty())
            || certificates.as_ref().is_some_and(|certificates| !certificates.is_empty());
        let allow = errors.take(config.allow.map(networks).transpose());
        let issuer = config
            .token
            .as_ref()
            .map(|token| Issuer { url: token.issuer.clone(), name: token.name.as_deref().map(Arc::from) });
        let demand = match config.require {
            Require::Any if has_other_checks => Demand::Optional,
            Require::Any | Require::All => Demand::Needed,
        };
        let tokens = config.token.map(|token| tokens(token, build, demand)).transpose();
        let tokens = errors.take(tokens.map_err(|error| error.below("token")));
        if errors.is_empty() && !has_other_checks && issuer.is_none() {
            errors.add(
                "",
                "needs a secret (secrets, secret_file or secret_env), allow, certificates, or token",
            );
        }
        let refused = errors.take(build.metrics.counter(
            names::CALLERS_REFUSED,
            "Refused callers.",
            &["route", "reason"],
        ));
        let (Some(header), Some(secrets), Some(certificates), Some(allow), Some(tokens), Some(refused), true) =
            (header, secrets, certificates, allow, tokens, refused, errors.is_empty())
        else {
            return Err(errors);
        };
        let (require, forwarded, route) = (config.require, config.forwarded, build.route.to_owned());
        Ok(Self { require, header, secrets, allow, forwarded, certificates, tokens, issuer, refused, route })
    }

    /// Runs every configured check, also after one failed, so that the response time does not reveal which.
    fn run_checks(&self, head: &RequestHeader, cx: &Ctx) -> Checked {
        let mut caller = Caller::default();
        let secret = (!self.secrets.is_empty()).then(|| {
            let name = self.secret(head);
            name.iter().for_each(|name| caller.add(CallerKind::Secret, name));
            (Reason::Secret, name.is_some())
        });
        let network = self.allow.as_ref().map(|allow| (Reason::Network, self.is_within(allow, head, cx)));
        let certificate = (!self.certificates.is_empty()).then(|| {
            let accepted = self.accepted_certificate(cx);
            accepted.iter().flatten().for_each(|name| caller.add_name(name.clone()));
            (Reason::Certificate, accepted.is_some())
        });
        let verdict = self.tokens.as_ref().map(|(tokens, _)| tokens.verify(&head.headers));
        let is_undecided = verdict == Some(Verdict::Undecided);
        let token = verdict.map(|verdict| match verdict {
            Verdict::Valid(claims) => {
                let issuer = self.issuer.as_ref().and_then(|issuer| issuer.name.clone());
                kyc_tokens::caller_names(&claims).for_each(|(kind, value)| {
                    caller.add_name(CallerName::new(kind, value).issued_by(issuer.clone()));
                });
                caller.set_claims(claims);
                (Reason::Token, true)
            }
            Verdict::Invalid | Verdict::Undecided => (Reason::Token, false),
        });
        Checked { outcomes: [secret, network, certificate, token], caller, is_undecided }
    }

    /// Returns the names in the peer's certificate if it is accepted. The listener has verified the certificate.
    fn accepted_certificate(&self, cx: &Ctx) -> Option<Vec<CallerName>> {
        let names = certificates::names(cx.connection().certificate.as_ref()?);
        self.certificates.accept(&names).then_some(names)
    }

    fn is_within(&self, allow: &Networks, head: &RequestHeader, cx: &Ctx) -> bool {
        // On a dual-stack socket an IPv4 peer has an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2).
        let Some(peer) = cx.connection().peer.map(|peer| peer.ip().to_canonical()) else { return false };
        let caller = self.forwarded.as_ref().map_or(peer, |proxies| proxies.caller(peer, &head.headers));
        allow.contains(caller)
    }

    /// Returns the name of the secret in the header; `None` when the header is absent, repeated or wrong.
    fn secret(&self, head: &RequestHeader) -> Option<&Arc<str>> {
        // Proxies disagree on which of two values counts, so a repeated header is refused.
        let mut values = head.headers.get_all(&self.header).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => self.secrets.name_of(value.as_bytes()),
            (Some(_) | None, _) => None,
        }
    }
}

#[plugin]
impl Plugin for CallerAuthentication {
    fn role(&self) -> Role {
        match (self.certificates.is_empty(), &self.tokens) {
            (true, None) => Role::ChecksCallers,
            (false, _) | (_, Some(_)) => Role::IdentifiesCallers,
        }
    }

    fn needs(&self) -> Needs {
        let certificate = match (self.certificates.is_empty(), self.require) {
            (true, _) => CertificateUse::Unused,
            (false, Require::All) => CertificateUse::Needed,
            (false, Require::Any) => CertificateUse::Accepted,
        };
        Needs { certificate, ..Needs::default() }
    }

    fn proves(&self) -> Proofs {
        Proofs {
            secrets: !self.secrets.is_empty(),
            certificates: !self.certificates.is_empty(),
            tokens: self.tokens.is_some(),
        }
    }

    fn challenges(&self) -> Vec<Challenge> {
        let token = self.tokens.as_ref().map(|_| Challenge::Bearer);
        let secret = (!self.secrets.is_empty()).then_some(Challenge::ApiKey);
        let certificate = (!self.certificates.is_empty()).then_some(Challenge::Certificate);
        [token, secret, certificate].into_iter().flatten().collect()
    }

    fn private_headers(&self) -> Vec<HeaderName> {
        // Without secrets the header is nothing of the gateway's.
        if self.secrets.is_empty() { Vec::new() } else { vec![self.header.clone()] }
    }

    fn issuer(&self) -> Option<Issuer> {
        self.issuer.clone()
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
                "description": "A bearer token of the configured OpenID Connect provider.",
                "schema": { "type": "string" },
            }));
        }
        api.refusals.push((401, "The caller is not authenticated."));
    }

    fn background(&self) -> Option<Arc<dyn Background>> {
        let keys = self.tokens.as_ref().map(|(_, keys)| Arc::clone(keys));
        let secrets = self.secrets.can_change().then(|| Arc::clone(&self.secrets));
        (keys.is_some() || secrets.is_some())
            .then(|| Arc::new(CredentialRefresh { secrets, keys }) as Arc<dyn Background>)
    }

    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let Checked { outcomes, caller, is_undecided } = self.run_checks(head, cx);
        let failed = || outcomes.iter().flatten().filter(|(_, passed)| !passed).map(|(reason, _)| *reason);
        let is_accepted = match self.require {
            Require::All => failed().next().is_none(),
            Require::Any => outcomes.iter().flatten().any(|(_, passed)| *passed),
        };
        let Some(reason) = failed().next().filter(|_| !is_accepted) else {
            caller.record(cx);
            return Ok(Flow::Next);
        };
        // A 503 instead of a 401 tells the caller to retry. It is right only if a valid token could still change the result.
        let depends_on_token = match self.require {
            Require::All => reason == Reason::Token,
            Require::Any => true,
        };
        if depends_on_token && is_undecided {
            return Err(Problem::new(ProblemKind::Unavailable, "no token keys have been fetched yet"));
        }
        for reason in failed() {
            self.refused.with(&[self.route.as_str(), reason.name()]).inc();
        }
        let detail = match reason {
            Reason::Secret => "the caller's secret is missing or wrong".to_owned(),
            Reason::Network => "the caller's address is in no allowed network".to_owned(),
            Reason::Certificate => certificates::describe_refused(cx.connection().certificate.as_deref()),
            Reason::Token => "the caller's token is missing or not valid".to_owned(),
        };
        Err(Problem::new(ProblemKind::Unauthenticated, detail))
    }
}

fn networks(allow: Vec<IpNet>) -> std::result::Result<Networks, ConfigError> {
    if allow.is_empty() {
        return Err(ConfigError::at(
            "allow",
            "must name at least one network; leave it out to skip this check",
        ));
    }
    Networks::try_from(allow).map_err(|error| ConfigError::at("allow", error.to_string()))
}

fn tokens(
    config: TokenConfig,
    build: &Build<'_>,
    demand: Demand,
) -> std::result::Result<(TokenVerifier, Arc<Keys>), ConfigError> {
    let keys = Keys::new(&config, build.folder, demand)?;
    Ok((TokenVerifier::new(config, Arc::clone(&keys))?, keys))
}

#[cfg(test)]
mod tests;
