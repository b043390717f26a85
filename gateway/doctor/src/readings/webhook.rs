//! Reads a tenant's webhook at Onfido.

use std::collections::BTreeSet;

use kyc_model::{Environment, Tenant};
use kyc_onfido_client::RegisteredWebhook;

use crate::code::{Code, Finding};
use crate::expected::Expected;

/// Returns what is wrong with the tenant's webhook. `own` is the webhook of `webhookId`, `all` are those of the account.
pub(crate) fn read(
    tenant: &Tenant,
    expected: &Expected,
    own: Option<&RegisteredWebhook>,
    all: &[RegisteredWebhook],
) -> Vec<Finding> {
    let is_here = |webhook: &RegisteredWebhook| {
        webhook.url.as_deref().is_some_and(|url| expected.is_own_url(url, &tenant.name))
    };
    if tenant.webhook_id.is_none() && tenant.signing_token.is_none() {
        return vec![Code::WebhookNotConfigured.with(
            "the entry has neither `webhookId` nor `webhookToken`, so the gateway refuses every notification: set `webhookId`",
        )];
    }
    let (own, absent) = match tenant.webhook_id {
        Some(_) => (
            own,
            "Onfido's account has no webhook with the id in `webhookId`: create it, and put its id and token into `webhookId` and `webhookToken`",
        ),
        // Without an id, Onfido sends to every webhook of the account.
        None => (
            all.iter().find(|webhook| is_enabled(webhook) && is_here(webhook)),
            "no enabled webhook of Onfido's account points to the gateway's URL for this tenant: create one, and put its id and \
             token into `webhookId` and `webhookToken`",
        ),
    };
    let Some(own) = own else { return vec![Code::WebhookMissing.with(absent)] };
    let mut findings = Vec::new();
    if !is_enabled(own) {
        findings.push(Code::WebhookDisabled.with(
            "the webhook of `webhookId` is disabled, so no notification is sent: enable it in Onfido's dashboard",
        ));
    }
    if !is_here(own) {
        findings.push(Code::WebhookMoved.with(
            "the webhook of `webhookId` does not point to the gateway's URL for this tenant: correct its URL in Onfido's dashboard, \
             or `doctor.notification_url`",
        ));
    }
    findings.extend(missing_events(own, &expected.events_of(tenant)));
    findings.extend(environments(own, tenant.credential.environment()));
    if let (Some(configured), Some(token)) = (&tenant.signing_token, &own.token)
        && !configured.is_same(token)
    {
        findings.push(Code::WebhookTokenDiffers.with(
            "`webhookToken` is not the token of the webhook at Onfido, so the gateway refuses every notification: copy the token \
             from Onfido, or remove `webhookToken`",
        ));
    }
    let is_double =
        |webhook: &&RegisteredWebhook| webhook.id != own.id && is_enabled(webhook) && is_here(webhook);
    let doubles = all.iter().filter(is_double).count();
    if is_here(own) && is_enabled(own) && doubles > 0 {
        findings.push(Code::WebhookDoubled.with(format!(
            "{doubles} more enabled webhooks of Onfido's account point to the same URL, so notifications arrive several times, \
             signed with other tokens: delete them",
        )));
    }
    findings
}

fn missing_events(webhook: &RegisteredWebhook, wanted: &BTreeSet<String>) -> Option<Finding> {
    // An absent list means all events.
    let sent = webhook.events.as_deref().filter(|events| !events.is_empty())?;
    let missing: Vec<String> =
        wanted.iter().filter(|event| !sent.contains(event)).map(|event| format!("`{event}`")).collect();
    (!missing.is_empty()).then(|| {
        Code::WebhookEvents.with(format!(
            "the webhook of `webhookId` does not send {}: add it to the webhook's events in Onfido's dashboard, or remove it from \
             `events` of the tenant or of the plugin `webhook`",
            missing.join(", ")
        ))
    })
}

fn environments(webhook: &RegisteredWebhook, own: Option<Environment>) -> Option<Finding> {
    // Without a known prefix of the credential nothing can be said.
    let own = own?;
    let (name, other) = match own {
        Environment::Live => (own.name(), Environment::Sandbox.name()),
        Environment::Sandbox => (own.name(), Environment::Live.name()),
    };
    // An absent list means both.
    let listed = webhook.environments.as_deref().filter(|listed| !listed.is_empty());
    let sends = |environment: &str| listed.is_none_or(|listed| listed.iter().any(|one| one == environment));
    match (sends(name), sends(other)) {
        (true, false) => None,
        (true, true) => Some(Code::WebhookBothEnvironments.with(format!(
            "`apiToken` is of the environment {name}, but the webhook of `webhookId` sends events of both environments, and a \
             notification does not say of which it is: restrict the webhook to {name}",
        ))),
        (false, _) => Some(Code::WebhookOtherEnvironment.with(format!(
            "`apiToken` is of the environment {name}, but the webhook of `webhookId` does not send its events: set the webhook's \
             environment to {name}",
        ))),
    }
}

fn is_enabled(webhook: &RegisteredWebhook) -> bool {
    webhook.enabled.unwrap_or(true)
}

#[cfg(test)]
mod tests;
