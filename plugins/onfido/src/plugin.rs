//! The plugin: forwards calls to Onfido.
//!
//! `request_filter` finds the operation, applies the policy and sets the target. Only a new check (`POST /checks`) has its body
//! buffered, because the gateway adds `webhook_ids` to it; all other bodies are streamed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, header};
use kyc_onfido_client::AccessTokens;
use kyc_plugin_api::{
    BodyBuffering, Build, ConfigErrors, Counter, Ctx, Flow, Needs, Plugin, Problem, ProblemKind, Result,
    Role, RouteApi, Target, Timeouts, UpstreamLimits, plugin,
};
use kyc_telemetry::names;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::alias::Aliases;
use crate::catalog::Catalog;
use crate::config::{Config, WebhookIds};
use crate::description::describe;
use crate::durations::OperationDurations;
use crate::enforcement::{find_obstacle, is_encoded, not_an_object};
use crate::links::{rewrite_link, rewrite_location};
use crate::notes::Notes;
use crate::operation::Operation;
use crate::policy::Policy;
use crate::public_url::{public_url, request_base_url};
use crate::splice::{Check, Spliced};
use crate::tenant_token::credential;
use crate::version::is_version;

/// Sends a tenant's calls to the tenant's base URL at Onfido, with the tenant's credential.
#[derive(Debug)]
pub struct OnfidoApi {
    public_url: Option<String>,
    aliases: Aliases,
    catalog: Catalog,
    policy: Policy,
    webhook_ids: WebhookIds,
    max_checks_body: usize,
    strip_version: bool,
    timeouts: Timeouts,
    limits: UpstreamLimits,
    synchronous_check: Duration,
    checks: CheckCounters,
    durations: OperationDurations,
    /// For tenants with an OAuth client.
    tokens: Arc<AccessTokens>,
    /// Notes started checks; `None` if that is off.
    notes: Option<Notes>,
}

/// Counts new checks by how `webhook_ids` was set.
#[derive(Debug)]
struct CheckCounters {
    injected: Counter,
    kept: Counter,
    untouched: Counter,
}

/// Marks a request as a new check whose body the gateway reads.
#[derive(Clone, Copy, Debug)]
struct NewCheck;

// === impl OnfidoApi ===

impl OnfidoApi {
    /// Builds the plugin from its settings.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be used.
    pub(crate) fn build(config: &Config, build: &Build<'_>) -> std::result::Result<Self, ConfigErrors> {
        let (times, limits) = (&config.timeouts, config.limits);
        let mut errors = config.problems();
        let counter =
            build.metrics.counter(names::CHECKS, "New checks by how webhook_ids was set.", &["result"]);
        let public_url = errors.take(config.public_url.as_deref().map(public_url).transpose());
        let aliases = errors.take(Aliases::new(&config.aliases));
        let policy = errors.take(Policy::new(&config.operations, build));
        let counter = errors.take(counter);
        let durations = errors.take(OperationDurations::new(build.metrics));
        let tokens = errors.take(build.services.get());
        let notes = errors.take(Notes::build(config.ledger, build));
        let (
            Some(public_url),
            Some(aliases),
            Some(policy),
            Some(counter),
            Some(durations),
            Some(tokens),
            Some(notes),
            true,
        ) = (public_url, aliases, policy, counter, durations, tokens, notes, errors.is_empty())
        else {
            return Err(errors);
        };
        Ok(Self {
            public_url,
            aliases,
            catalog: Catalog::new(),
            policy,
            webhook_ids: config.webhook_ids,
            max_checks_body: usize::try_from(config.max_checks_body.as_u64()).unwrap_or(usize::MAX),
            strip_version: config.strip_version,
            timeouts: Timeouts {
                connect: times.connect,
                read: times.read,
                write: times.write,
                idle: times.idle,
            },
            limits: UpstreamLimits {
                in_flight: limits.in_flight,
                failures: limits.failures,
                open: limits.open,
            },
            synchronous_check: times.synchronous_check,
            tokens,
            durations,
            notes,
            checks: CheckCounters {
                injected: counter.with(&["injected"]),
                kept: counter.with(&["kept"]),
                untouched: counter.with(&["untouched"]),
            },
        })
    }

    /// Requests the body of a new check. With `enforce` it refuses a check whose `webhook_ids` cannot be set.
    fn request_check_body(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<()> {
        let obstacle = match self.webhook_ids {
            WebhookIds::Enforce => find_obstacle(head, webhook_id(cx)),
            WebhookIds::Inject | WebhookIds::Off => None,
        };
        if obstacle.is_some() || is_encoded(&head.headers) {
            self.checks.untouched.inc();
            return obstacle.map_or(Ok(()), Err);
        }
        cx.extensions_mut().insert(NewCheck);
        cx.buffer_body(BodyBuffering { limit: self.max_checks_body, within: None });
        Ok(())
    }
}

#[plugin]
#[async_trait]
impl Plugin for OnfidoApi {
    fn role(&self) -> Role {
        Role::AttachesCredentials
    }

    fn describe(&self, api: &mut RouteApi) {
        describe(&self.aliases, &self.catalog, &self.policy, api);
    }

    fn needs(&self) -> Needs {
        Needs { tenant: true, rest: Some("path"), ..Needs::default() }
    }

    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let internal = |what: &str| Problem::new(ProblemKind::Internal, what);
        let tenant = cx
            .tenant()
            .map(Arc::clone)
            .ok_or_else(|| internal("onfido needs a plugin before it that finds the tenant"))?;
        let path = cx
            .params()
            .value("path")
            .ok_or_else(|| internal("the route's pattern does not end in {*path}"))?;
        let base = Arc::clone(&tenant.base);
        let versioned = self.strip_version && base.path().rsplit('/').next().is_some_and(is_version);
        let operation = Operation::read(&head.method, path, &self.aliases, versioned)?;
        let found = operation.find_in(&self.catalog);
        let target = self.policy.admit(&found, &tenant).map(|()| Target {
            path_and_query: operation.path_and_query(base.path(), head.uri.query()),
            method: operation.method,
            credential: Some((header::AUTHORIZATION, credential(&tenant, &self.tokens))),
            timeouts: self.timeouts,
            limits: self.limits,
            operation: Some(self.durations.of(&found)),
            base,
        });
        cx.set_operation(found.id);
        // A refused call has no target.
        cx.set_target(target?);
        if found.id == CREATE_CHECK {
            self.request_check_body(head, cx)?;
        }
        if let Some(notes) = &self.notes {
            notes.request(found.id, head, cx);
        }
        Ok(Flow::Next)
    }

    async fn request_body_filter(
        &self,
        _head: &RequestHeader,
        body: &mut Bytes,
        cx: &mut Ctx,
    ) -> Result<Flow> {
        if cx.extensions().get::<NewCheck>().is_none() {
            return Ok(Flow::Next);
        }
        let check = Check::read(body);
        if check.as_ref().is_some_and(|check| check.synchronous)
            && let Some(target) = cx.target_mut()
        {
            target.timeouts.read = self.synchronous_check;
        }
        let enforce = self.webhook_ids == WebhookIds::Enforce;
        let spliced = match (self.webhook_ids, check, webhook_id(cx)) {
            (WebhookIds::Inject | WebhookIds::Enforce, Some(check), Some(id)) => {
                check.splice(body, id, enforce)
            }
            (WebhookIds::Off, ..) | (_, None, _) | (_, _, None) => Spliced::Untouched,
        };
        match spliced {
            Spliced::Injected(bytes) => {
                *body = Bytes::from(bytes);
                self.checks.injected.inc();
            }
            Spliced::Kept => self.checks.kept.inc(),
            Spliced::Untouched => {
                self.checks.untouched.inc();
                if enforce {
                    return Err(not_an_object());
                }
            }
        }
        Ok(Flow::Next)
    }

    fn upstream_request_filter(&self, head: &mut RequestHeader, cx: &mut Ctx) -> Result<()> {
        if cx.outlasts_caller() { Notes::upstream_request(head) } else { Ok(()) }
    }

    async fn buffered_response_filter(&self, body: &Bytes, cx: &mut Ctx) {
        if let Some(notes) = &self.notes {
            notes.body(body, cx).await;
        }
    }

    fn response_filter(
        &self,
        head: &mut ResponseHeader,
        request: &RequestHeader,
        cx: &mut Ctx,
    ) -> Result<()> {
        if cx.outlasts_caller()
            && let Some(notes) = &self.notes
        {
            notes.response(head, cx);
        }
        let has_links =
            head.headers.contains_key(header::LINK) || head.headers.contains_key(header::LOCATION);
        let Some(target) = cx.target().filter(|_| has_links) else { return Ok(()) };
        let Some(public) = self.public_url.clone().or_else(|| request_base_url(request, cx)) else {
            return Ok(());
        };
        let failed = || Problem::new(ProblemKind::Internal, "a rewritten link is not a valid header value");
        let location = head
            .headers
            .get(header::LOCATION)
            .and_then(|value| rewrite_location(value, &target.base, &public));
        if let Some(location) = location {
            head.insert_header(header::LOCATION, location).map_err(|_| failed())?;
        }
        // A response can have several `Link` fields, so all are removed and appended again in order.
        let links: Vec<HeaderValue> = head
            .headers
            .get_all(header::LINK)
            .iter()
            .map(|value| rewrite_link(value, &target.base, &public).unwrap_or_else(|| value.clone()))
            .collect();
        if !links.is_empty() {
            head.remove_header(&header::LINK);
            for link in links {
                head.append_header(header::LINK, link).map_err(|_| failed())?;
            }
        }
        Ok(())
    }
}

/// Returns the webhook id that new checks of the tenant get.
fn webhook_id(cx: &Ctx) -> Option<&str> {
    cx.tenant().and_then(|tenant| tenant.webhook_id.as_deref())
}

/// The `operationId` of `POST /checks`, whose body has `webhook_ids`.
const CREATE_CHECK: &str = "create_check";

#[cfg(test)]
mod tests;
