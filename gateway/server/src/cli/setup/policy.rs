//! The policy for Azure API Management.

use kyc_model::Tenant;

/// Returns the policy of the tenant's subscription, as text for an operator.
pub(super) fn policy(tenant: &Tenant) -> String {
    format!(
        "Policy for Azure API Management (the header names are those of the plugins `subscription` and `caller-auth`):\n\n\
         <inbound>\n  <base />\n  \
         <set-header name=\"SubscriptionId\" exists-action=\"override\">\n    \
         <value>@(context.Subscription.Id)</value>\n  </set-header>\n  \
         <set-header name=\"X-Gateway-Secret\" exists-action=\"override\">\n    \
         <value>{{{{gateway-secret}}}}</value>\n  </set-header>\n</inbound>\n\n\
         The subscription of tenant {} must have the id that is its `subscriptionId`; a webhook of Onfido needs no subscription.",
        tenant.name
    )
}

#[cfg(test)]
mod tests {
    use kyc_model::testkit::tenant;

    use super::*;

    #[test]
    fn policy_overrides_both_headers_and_has_no_secret() {
        let tenant = tenant("acme", "http://onfido.test", "http://portal.test");

        let text = policy(&tenant);

        assert_eq!(text.matches("exists-action=\"override\"").count(), 2, "{text}");
        assert!(text.contains("{{gateway-secret}}") && text.contains("tenant acme"), "{text}");
        assert!(!text.contains("sub-acme") && !tenant.has_secret_within(&text), "{text}");
    }
}
