//! Header to tenant.

use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};
use kyc_model::{Tenant, TenantTable};
use kyc_plugin_api::{Ctx, Flow, Phases, Plugin, Problem, ProblemKind, Result, RouteApi};
use pingora_http::RequestHeader;
use serde_json::json;

use crate::config::{Config, DEFAULT_HEADER};

/// Finds the tenant of a call and keeps the header from going on.
#[derive(Clone, Debug)]
pub struct BySubscription {
    header: HeaderName,
    /// Whether the header is another than the default, which must not go on either.
    renamed: bool,
}

// === impl BySubscription ===

impl TryFrom<Config> for BySubscription {
    type Error = String;

    fn try_from(config: Config) -> Result<Self, String> {
        let header = HeaderName::try_from(config.header.as_str())
            .map_err(|_| format!("header: `{}` is no header name", config.header))?;
        let renamed = !config.header.eq_ignore_ascii_case(DEFAULT_HEADER);
        Ok(Self { header, renamed })
    }
}

impl BySubscription {
    /// The one value of the header.
    fn value<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str> {
        let mut values = headers.get_all(&self.header).iter();
        let value = values.next().ok_or_else(|| unauthenticated("the tenant header is missing"))?;
        if values.next().is_some() {
            return Err(Problem::new(ProblemKind::BadRequest, "the tenant header is repeated"));
        }
        // Whoever stands between could have taken it out, or another one in.
        let options =
            headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let name = self.header.as_str().as_bytes();
        if options.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(name)) {
            return Err(Problem::new(ProblemKind::BadRequest, "the tenant header is named as hop-by-hop"));
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
}

impl Plugin for BySubscription {
    fn describe(&self, api: &mut RouteApi) {
        api.parameters.push(json!({
            "name": if self.renamed { self.header.as_str() } else { DEFAULT_HEADER },
            "in": "header",
            "required": true,
            "description": "The tenant's subscription; exactly one.",
            "schema": { "type": "string" },
        }));
        api.refusals.push((401, "The header that names the tenant is missing, or names none."));
    }

    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::UPSTREAM_REQUEST
    }

    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let value = self.value(&head.headers)?;
        let tenant = find(cx.tenants()?, value)
            .map(Arc::clone)
            .ok_or_else(|| unauthenticated("no tenant has this subscription"))?;
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

/// Looks the value up as it is, and as the last segment of a resource id `/subscriptions/<id>`, which is the
/// form of `context.Subscription.Id` in some API Management set-ups.
fn find<'a>(tenants: &'a TenantTable, value: &str) -> Option<&'a Arc<Tenant>> {
    tenants.by_subscription(value).or_else(|| {
        let (before, id) = value.rsplit_once('/')?;
        before.ends_with("/subscriptions").then(|| tenants.by_subscription(id)).flatten()
    })
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(ProblemKind::Unauthenticated, detail)
}

#[cfg(test)]
mod tests {
    use kyc_plugin_api::testkit;

    use super::*;
    use crate::Subscription;

    type Headers<'a> = &'a [(&'static str, &'a str)];

    const SAMPLE: &str = r#"header = "SubscriptionId""#;

    fn run(settings: &str, headers: Headers<'_>) -> std::result::Result<String, ProblemKind> {
        let plugin = testkit::build::<Subscription>(settings).unwrap();
        let mut cx = testkit::ctx(
            ["acme", "globex"].map(|n| testkit::tenant(n, "https://o.example", "https://p.example")),
        );
        let head = testkit::head("GET", "/dcs/kyc2/applicants", headers);
        plugin.request_filter(&head, &mut cx).map_err(|problem| problem.kind())?;
        Ok(cx.tenant().unwrap().name.to_string())
    }

    #[test]
    fn keeps_the_contract() {
        testkit::contract::<Subscription>(SAMPLE);
    }

    #[test]
    fn each_form_of_the_header_has_its_verdict() {
        let name = "SubscriptionId";
        let rows: [(Headers<'_>, std::result::Result<&str, ProblemKind>); 11] = [
            (&[(name, "sub-acme")], Ok("acme")),
            (&[("subscriptionid", "sub-globex")], Ok("globex")),
            (&[(name, " sub-acme\t")], Ok("acme")),
            (&[(name, "/subscriptions/sub-acme")], Ok("acme")),
            (&[(name, "/elsewhere/sub-acme")], Err(ProblemKind::Unauthenticated)),
            (&[(name, "SUB-ACME")], Err(ProblemKind::Unauthenticated)),
            (&[(name, "")], Err(ProblemKind::Unauthenticated)),
            (&[], Err(ProblemKind::Unauthenticated)),
            (&[(name, "sub-acme,sub-globex")], Err(ProblemKind::BadRequest)),
            (&[(name, "sub-acme"), (name, "sub-acme")], Err(ProblemKind::BadRequest)),
            (&[(name, "sub-\u{e9}")], Err(ProblemKind::BadRequest)),
        ];

        for (headers, verdict) in rows {
            assert_eq!(run("", headers).as_deref(), verdict.as_ref().copied(), "{headers:?}");
        }
    }

    #[test]
    fn another_header_can_name_the_tenant_and_neither_goes_on() {
        let plugin = testkit::build::<Subscription>(r#"header = "X-Tenant""#).unwrap();
        let mut head = testkit::head("GET", "/", &[("X-Tenant", "sub-acme"), ("SubscriptionId", "x")]);

        let found = run(r#"header = "X-Tenant""#, &[("X-Tenant", "sub-acme")]);
        plugin.upstream_request_filter(&mut head, &mut testkit::ctx([])).unwrap();

        assert_eq!(found.as_deref(), Ok("acme"));
        assert!(head.headers.is_empty());
    }

    #[test]
    fn without_a_document_the_gateway_is_unavailable() {
        let plugin = testkit::build::<Subscription>("").unwrap();
        let connection = kyc_plugin_api::Connection::default();
        let mut cx = Ctx::new(kyc_model::RequestId::new(), connection, None);

        let problem =
            plugin.request_filter(&testkit::head("GET", "/", &[("SubscriptionId", "sub-acme")]), &mut cx);

        assert_eq!(problem.unwrap_err().kind(), ProblemKind::Unavailable);
    }
}
