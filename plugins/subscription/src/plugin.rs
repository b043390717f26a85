//! The plugin: finds the tenant of a call and checks the caller.

use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};
use kyc_model::Tenant;
use kyc_plugin_api::{
    Build, Caller, Challenge, ConfigErrors, Counter, Ctx, Flow, Needs, Plugin, Problem, ProblemKind, Proofs,
    Result, Role, RouteApi, plugin,
};
use kyc_telemetry::names;
use pingora_http::RequestHeader;
use serde_json::json;

use crate::config::{Config, DEFAULT_HEADER, TenantFrom};
use crate::find::{by_caller, by_header, unauthenticated};

/// Finds the tenant of a call, checks that the caller may act for it, and removes the header before the upstream.
#[derive(Clone, Debug)]
pub struct TenantLookup {
    header: HeaderName,
    /// Whether the header is not the default one. Both headers are then removed before the upstream.
    renamed: bool,
    from: TenantFrom,
    /// Whether every caller of the route may act for every tenant without `callers`.
    any_tenant: bool,
    refused: Counter,
}

// === impl TenantLookup ===

impl TenantLookup {
    /// Builds the plugin from its settings.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be used.
    pub(crate) fn new(config: &Config, build: &Build<'_>) -> std::result::Result<Self, ConfigErrors> {
        let (header, from) = config.check()?;
        let renamed = !config.header.eq_ignore_ascii_case(DEFAULT_HEADER);
        let refused =
            build.metrics.counter(names::CALLERS_REFUSED, "Refused callers.", &["route", "reason"])?;
        let refused = refused.with(&[build.route, "tenant"]);
        Ok(Self { header, renamed, from, any_tenant: build.any_tenant, refused })
    }

    /// Returns the single value of the header.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unauthenticated`] when it is absent or empty; [`ProblemKind::BadRequest`] when it is ambiguous or not
    /// visible ASCII.
    fn value<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str> {
        let mut values = headers.get_all(&self.header).iter();
        let value = values.next().ok_or_else(|| unauthenticated("the tenant header is missing"))?;
        if values.next().is_some() {
            return Err(Problem::new(ProblemKind::BadRequest, "the tenant header is repeated"));
        }
        // `Connection` tells each proxy to remove the fields that it names (RFC 9110 §7.6.1). A proxy before the gateway could
        // then have removed or replaced the value.
        let options =
            headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let name = self.header.as_str().as_bytes();
        if options.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(name)) {
            return Err(Problem::new(
                ProblemKind::BadRequest,
                "the Connection header names the tenant header",
            ));
        }
        let value = value
            .to_str()
            .map_err(|_| Problem::new(ProblemKind::BadRequest, "the tenant header is not visible ASCII"))?;
        if value.contains(',') {
            return Err(Problem::new(ProblemKind::BadRequest, "the tenant header is a list"));
        }
        match value.trim_matches([' ', '\t']) {
            "" => Err(unauthenticated("the tenant header is empty")),
            value => Ok(value),
        }
    }

    /// Checks that the caller may act for the tenant.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unauthenticated`], the same as for an unknown tenant.
    fn check(&self, tenant: &Tenant, cx: &Ctx) -> Result<()> {
        let caller = Caller::of(cx);
        let reason = match &tenant.callers {
            Some(names) if caller.is_some_and(|caller| caller.is_one_of(names)) => return Ok(()),
            Some(_) => "the caller is not in the callers of tenant",
            None if self.may_act_without_callers(caller, cx) => return Ok(()),
            None => "without any_tenant, a certificate or a token may not act for a tenant without callers:",
        };
        self.refused.inc();
        let known = caller.map_or_else(|| "none".to_owned(), Caller::all_names);
        Err(unauthenticated(format!("{reason} {} (caller: {known})", tenant.name)))
    }

    /// Returns whether the caller may act for a tenant without `callers`. It may if `any_tenant` is set, if its own credential
    /// names the tenant, if it is authenticated by a shared secret or a network, or if there is only one tenant.
    fn may_act_without_callers(&self, caller: Option<&Caller>, cx: &Ctx) -> bool {
        let is_individual =
            caller.is_some_and(Caller::is_individual) || cx.connection().certificate.is_some();
        let is_sole = cx.tenants().is_ok_and(|tenants| tenants.is_sole());
        self.any_tenant || self.from != TenantFrom::Header || !is_individual || is_sole
    }
}

#[plugin]
impl Plugin for TenantLookup {
    fn role(&self) -> Role {
        match self.from {
            TenantFrom::Header => Role::TakesTenantFromRequest,
            TenantFrom::Claim(_) | TenantFrom::Certificate(_) => Role::TakesTenantFromCaller,
        }
    }

    fn needs(&self) -> Needs {
        let proofs = match self.from {
            TenantFrom::Header => Proofs::default(),
            TenantFrom::Claim(_) => Proofs { tokens: true, ..Proofs::default() },
            TenantFrom::Certificate(_) => Proofs { certificates: true, ..Proofs::default() },
        };
        Needs { proofs, ..Needs::default() }
    }

    fn challenges(&self) -> Vec<Challenge> {
        match self.from {
            TenantFrom::Header => vec![Challenge::ApiKey],
            // The plugin before asks for the credential that names the tenant.
            TenantFrom::Claim(_) | TenantFrom::Certificate(_) => Vec::new(),
        }
    }

    fn private_headers(&self) -> Vec<HeaderName> {
        match self.from {
            TenantFrom::Header => vec![self.header.clone()],
            TenantFrom::Claim(_) | TenantFrom::Certificate(_) => Vec::new(),
        }
    }

    fn describe(&self, api: &mut RouteApi) {
        if self.from == TenantFrom::Header {
            api.parameters.push(json!({
                "name": if self.renamed { self.header.as_str() } else { DEFAULT_HEADER },
                "in": "header",
                "required": true,
                "description": "The tenant's subscription id; exactly one value.",
                "schema": { "type": "string" },
            }));
        }
        api.refusals.push((401, "The tenant is missing or unknown, or the caller may not act for it."));
    }

    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let found = match self.from {
            TenantFrom::Header => by_header(cx.tenants()?, self.value(&head.headers)?),
            TenantFrom::Claim(_) | TenantFrom::Certificate(_) => {
                by_caller(cx.tenants()?, &self.from, Caller::of(cx))
            }
        };
        let tenant = Arc::clone(found?);
        self.check(&tenant, cx)?;
        cx.set_tenant(tenant);
        Ok(Flow::Next)
    }

    fn upstream_request_filter(&self, head: &mut RequestHeader, _cx: &mut Ctx) -> Result<()> {
        head.remove_header(&self.header);
        if self.renamed {
            head.remove_header(DEFAULT_HEADER);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
