//! A tenant that is to be added.

use kyc_model::{Environment, Secret, Tenant};

/// The values of a new tenant's entry, and what its webhook is to send.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// `Name`.
    pub name: String,
    /// `subscriptionId`.
    pub subscription_id: Secret,
    /// How the gateway authenticates at Onfido.
    pub credential: NewCredential,
    /// `callers`; `None` leaves the field out.
    pub callers: Option<String>,
    /// The portal and its account.
    pub portal: NewPortal,
    /// The environments whose events the webhook sends.
    pub environments: WebhookEnvironments,
}

/// The credential of a new tenant at Onfido.
#[derive(Clone, Debug)]
pub enum NewCredential {
    /// `apiToken`.
    ApiToken(Secret),
    /// An OAuth client.
    OAuth {
        /// `clientId`.
        id: Secret,
        /// `clientSecret`.
        secret: Secret,
    },
}

/// The environments whose events a webhook sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEnvironments {
    /// That of the API token, which its prefix tells; both if it does not.
    OfToken,
    /// One alone.
    Only(Environment),
    /// Both. A notification does not say of which it is.
    Both,
}

// === impl WebhookEnvironments ===

impl WebhookEnvironments {
    /// Returns the environment; `None` for both.
    pub(crate) fn of(self, tenant: &Tenant) -> Option<Environment> {
        match self {
            Self::OfToken => tenant.credential.environment(),
            Self::Only(environment) => Some(environment),
            Self::Both => None,
        }
    }
}

/// The portal of a new tenant.
#[derive(Clone, Debug)]
pub struct NewPortal {
    /// `ftosEndpoint`.
    pub endpoint: String,
    /// `ftosUsername`.
    pub username: Secret,
    /// `ftosPassword`.
    pub password: Secret,
    /// `ftosClientId`; `None` leaves the field out.
    pub client_id: Option<Secret>,
    /// `ftosAuth`; `None` leaves the field out.
    pub dialect: Option<String>,
    /// `ftosAction`; `None` leaves the field out.
    pub action: Option<String>,
}

// === impl NewTenant ===

impl NewTenant {
    /// Returns whether a text contains a secret of the tenant. A short subscription id that its name contains does not count, because it
    /// can be an ordinary word.
    pub fn has_secret_within(&self, text: &str) -> bool {
        let (token, secret) = match &self.credential {
            NewCredential::ApiToken(token) => (Some(token), None),
            NewCredential::OAuth { secret, .. } => (None, Some(secret)),
        };
        let id = &self.subscription_id;
        let is_word = id.len() < WORD_BYTES && id.is_within(&self.name);
        let given = [Some(id).filter(|_| !is_word), token, secret, Some(&self.portal.password)];
        given.into_iter().flatten().any(|secret| secret.is_within(text))
    }

    /// Returns the fields of the entry, without those of the webhook.
    pub(crate) fn fields(&self) -> Vec<(&'static str, Secret)> {
        let text = |text: &str| Secret::new(text.to_owned());
        let portal = &self.portal;
        let (token, client) = match &self.credential {
            NewCredential::ApiToken(token) => (Some(token.clone()), None),
            NewCredential::OAuth { id, secret } => (None, Some((id.clone(), secret.clone()))),
        };
        let (id, secret) = client.unzip();
        let fields = [
            ("Name", Some(text(&self.name))),
            ("subscriptionId", Some(self.subscription_id.clone())),
            ("apiToken", token),
            ("clientId", id),
            ("clientSecret", secret),
            ("callers", self.callers.as_deref().map(text)),
            ("ftosEndpoint", Some(text(&portal.endpoint))),
            ("ftosClientId", portal.client_id.clone()),
            ("ftosUsername", Some(portal.username.clone())),
            ("ftosPassword", Some(portal.password.clone())),
            ("ftosAuth", portal.dialect.as_deref().map(text)),
            ("ftosAction", portal.action.as_deref().map(text)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// A subscription id of less bytes may be part of the tenant's name.
const WORD_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use kyc_model::Credential;
    use kyc_model::testkit::{oauth_tenant, tenant};

    #[test]
    fn environment_is_that_of_the_token_unless_one_is_named() {
        let with = |token: &str| {
            let token = Secret::new(token.to_owned()).header_value(Credential::API_TOKEN_PREFIX).unwrap();
            Tenant { credential: Credential::ApiToken(token), ..tenant("acme", BASE, PORTAL) }
        };
        let tenants =
            [with("api_live.x"), with("api_sandbox.x"), with("x"), oauth_tenant("acme", BASE, PORTAL)];

        let of_token = tenants.each_ref().map(|tenant| WebhookEnvironments::OfToken.of(tenant));
        let sandbox = WebhookEnvironments::Only(Environment::Sandbox).of(&tenants[0]);

        assert_eq!(of_token, [Some(Environment::Live), Some(Environment::Sandbox), None, None]);
        assert_eq!((sandbox, WebhookEnvironments::Both.of(&tenants[0])), (Some(Environment::Sandbox), None));
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn new_tenant(name: &str) -> NewTenant {
        NewTenant {
            name: name.to_owned(),
            subscription_id: secret("s"),
            credential: NewCredential::ApiToken(secret("t")),
            callers: None,
            portal: NewPortal {
                endpoint: PORTAL.to_owned(),
                username: secret("u"),
                password: secret("p"),
                client_id: None,
                dialect: Some("keycloak".to_owned()),
                action: None,
            },
            environments: WebhookEnvironments::Both,
        }
    }

    /// Regression: a name that contained a secret was recorded for years.
    #[test]
    fn secret_that_is_the_name_is_found_in_it() {
        let with_id = |name: &str, id: &str| NewTenant { subscription_id: secret(id), ..new_tenant(name) };
        let token = "api_live.abcdefgh";
        let pasted = NewTenant { credential: NewCredential::ApiToken(secret(token)), ..new_tenant(token) };

        let found = [
            pasted.has_secret_within(token),
            with_id("0123456789abcdef", "0123456789abcdef").has_secret_within("0123456789abcdef"),
            with_id("acme-live", "acme-live").has_secret_within("acme-live"),
            with_id("acme", "word-of-id").has_secret_within("for word-of-id"),
        ];

        assert_eq!(found, [true, true, false, true]);
    }

    #[test]
    fn absent_values_are_no_fields_of_the_entry() {
        let new = new_tenant("acme");

        let names: Vec<&str> = new.fields().iter().map(|(name, _)| *name).collect();

        let expected = [
            "Name",
            "subscriptionId",
            "apiToken",
            "ftosEndpoint",
            "ftosUsername",
            "ftosPassword",
            "ftosAuth",
        ];
        assert_eq!(names, expected);
        assert!(!format!("{new:?}").contains("\"p\""), "{new:?}");
    }

    const BASE: &str = "http://onfido.test";
    const PORTAL: &str = "http://portal.test";
}
