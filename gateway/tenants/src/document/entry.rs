//! Parses one entry of `Onfido-ApiTokens`, and collects every broken rule.

use std::fmt::Display;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use kyc_model::{
    CallerName, Credential, Dialect, Environments, EventActions, OAuthClient, OperationSet, Portal,
    SubscriptionId, Tenant, TenantName, UpstreamBase,
};
use serde_json::value::RawValue;

use super::field_hashes::FieldHashes;
use super::fields::{CALLERS, CLIENT_ID, CLIENT_SECRET, ENVIRONMENTS, EVENTS, FIELDS};
use super::hosts::OnfidoHosts;
use super::object::{self, FieldProblem, Object};
use super::rules::{self, BASE_URL};
use super::{environments, events};

/// The result of parsing an entry.
#[derive(Default)]
pub(super) struct Entry {
    /// Set if the field is valid, even if the entry is refused for another reason: two entries with the same name must be
    /// found in any case.
    pub(super) name: Option<TenantName>,
    /// As `name`.
    pub(super) subscription_id: Option<SubscriptionId>,
    /// Whether the entry has no base URL of its own.
    pub(super) needs_base: bool,
    /// The broken rules, without values.
    pub(super) problems: Vec<String>,
    /// Unknown fields, each with the known field that it resembles.
    pub(super) misspelt: Vec<(String, &'static str)>,
    /// What the entry probably does not mean, without values.
    pub(super) warnings: Vec<String>,
    /// Whether another entry has the same name or subscription.
    pub(super) is_shared: bool,
    /// The hashes of the fields, to tell which of them a later document changes.
    pub(super) fields: FieldHashes,
    /// Set if no rule is broken.
    pub(super) tenant: Option<Tenant>,
}

/// Reads fields, collects every problem, and hashes the values into the fingerprint.
struct Reader<'a> {
    object: Object<'a>,
    problems: Vec<String>,
    hasher: DefaultHasher,
    fields: FieldHashes,
}

// === impl Entry ===

impl Entry {
    /// Parses an entry; `base` is the base URL of the document.
    pub(super) fn read(raw: &RawValue, base: Option<&Arc<UpstreamBase>>, hosts: &OnfidoHosts) -> Self {
        let Ok(object) = Object::parse(raw.get()) else {
            return Self { problems: vec!["is not an object".to_owned()], ..Self::default() };
        };
        let mut reader = Reader {
            object,
            problems: Vec::new(),
            hasher: FINGERPRINTS.build_hasher(),
            fields: FieldHashes::default(),
        };
        let name = reader.required("Name", rules::tenant_name);
        let subscription_id = reader.required("subscriptionId", rules::subscription_id);
        let credential = reader.credential();
        let webhook_id = reader.optional("webhookId", rules::webhook_id);
        let signing_token = reader.optional("webhookToken", rules::secret);
        let operations = reader.operations();
        let callers = reader.callers();
        let events = reader.events();
        let (environments, enrich) = (reader.environments(), reader.optional("enrich", environments::switch));
        let mut warnings = events::warnings(events.as_ref(), operations);
        warnings.extend(environments::warning(environments, credential.as_ref()));
        let (own_base, needs_base) = reader.base(hosts);
        if needs_base && let Some(problem) = base.and_then(|base| hosts.cleartext_problem(base)) {
            reader.problems.push(format!("{BASE_URL} {problem}"));
        }
        let portal = reader.portal();
        let base = own_base.or_else(|| base.map(Arc::clone));
        // The fingerprint includes the document's base URL: when that changes, every tenant that uses it has changed.
        base.as_ref().map(|base| base.url().as_str()).hash(&mut reader.hasher);
        if needs_base {
            reader.fields.add(BASE_URL, FINGERPRINTS.hash_one(base.as_ref().map(|base| base.url().as_str())));
        }
        let fingerprint = reader.hasher.finish();
        let tenant = match (name.clone(), subscription_id.clone(), credential, base, portal) {
            (Some(name), Some(subscription_id), Some(credential), Some(base), Some(portal)) => Some(Tenant {
                name,
                subscription_id,
                base,
                credential,
                webhook_id,
                signing_token,
                operations,
                portal,
                callers,
                events,
                environments,
                enrich: enrich.unwrap_or(false),
                fingerprint,
            }),
            _ => None,
        };
        let misspelt = reader.object.misspelt(&FIELDS);
        let (problems, fields) = (reader.problems, reader.fields);
        let is_shared = false;
        Self { name, subscription_id, needs_base, problems, misspelt, warnings, is_shared, fields, tenant }
    }
}

// === impl Reader ===

impl Reader<'_> {
    /// Adds a value to the fingerprint, and keeps its own hash.
    fn hash(&mut self, field: &'static str, value: &impl Hash) {
        (field, value).hash(&mut self.hasher);
        self.fields.add(field, FINGERPRINTS.hash_one((field, value)));
    }

    /// Reads a field that every entry must have.
    fn required<T, E: Display>(
        &mut self,
        field: &'static str,
        rule: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let known = self.problems.len();
        let value = self.optional(field, rule);
        if value.is_none() && self.problems.len() == known {
            self.problems.push(format!("{field} is missing"));
        }
        value
    }

    /// Reads a field and applies its rule; `None` when it is absent or broken.
    fn optional<T, E: Display>(
        &mut self,
        field: &'static str,
        rule: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.object.text(field).map_err(|problem| problem.text());
        self.hash(field, &text);
        let problem = match text {
            Ok(None) => return None,
            Ok(Some(text)) => match rule(&text) {
                Ok(value) => return Some(value),
                Err(broken) => format!("{field} {broken}"),
            },
            Err(unreadable) => format!("{field} {unreadable}"),
        };
        self.problems.push(problem);
        None
    }

    /// Reads the credential at Onfido. An API token takes precedence, and the fields of an OAuth client are then not even checked:
    /// the gateway used to ignore `clientId` and `clientSecret`, so an entry may have them for another program, and must keep its
    /// meaning. Onfido's clients allow only one of both credentials.
    fn credential(&mut self) -> Option<Credential> {
        let known = self.problems.len();
        let api_token = self.optional("apiToken", rules::authorization);
        if api_token.is_some() || self.problems.len() > known {
            // Part of the fingerprint all the same, so that every change of the entry changes it.
            for field in [CLIENT_ID, CLIENT_SECRET] {
                self.object.text(field).map_err(FieldProblem::text).hash(&mut self.hasher);
            }
            return api_token.map(Credential::ApiToken);
        }
        let [id, secret] = [CLIENT_ID, CLIENT_SECRET].map(|field| self.optional(field, rules::secret));
        match (id, secret) {
            (Some(id), Some(secret)) => return Some(Credential::OAuth(OAuthClient { id, secret })),
            // A field that cannot be read is reported already.
            _ if self.problems.len() > known => {}
            (Some(_), None) => {
                self.problems.push(format!("{CLIENT_SECRET} is missing, which {CLIENT_ID} needs"))
            }
            (None, Some(_)) => {
                self.problems.push(format!("{CLIENT_ID} is missing, which {CLIENT_SECRET} needs"))
            }
            (None, None) => self.problems.push("apiToken is missing".to_owned()),
        }
        None
    }

    /// Reads the entry's own base URL, and returns whether the entry needs the document's. An invalid one does not fall back
    /// to the document's, because the operator meant another host.
    fn base(&mut self, hosts: &OnfidoHosts) -> (Option<Arc<UpstreamBase>>, bool) {
        let known = self.problems.len();
        let own = self.optional("baseUrl", |text| {
            let base = UpstreamBase::parse(text).and_then(|base| hosts.admit(base));
            let base = base.map_err(|error| error.to_string())?;
            match hosts.cleartext_problem(&base) {
                Some(problem) => Err(problem.to_owned()),
                None => Ok(base),
            }
        });
        let own = own.map(Arc::new);
        let needs_base = own.is_none() && self.problems.len() == known;
        (own, needs_base)
    }

    /// Reads the allowed operations; an absent field allows all of them. A blank list is refused: it is probably a mistake, and
    /// it must not allow everything.
    fn operations(&mut self) -> OperationSet {
        let value = self.object.value(&["operations"]);
        self.hash("operations", &value.map(|raw| raw.map(RawValue::get)));
        let read = match value {
            Ok(Some(raw)) => rules::operations(raw),
            Ok(None) => return OperationSet::ALL,
            Err(problem) => Err(problem.text().to_owned()),
        };
        read.unwrap_or_else(|broken| {
            self.problems.push(format!("operations {broken}"));
            OperationSet::NONE
        })
    }

    /// Reads which kinds of notifications go where.
    fn events(&mut self) -> Option<EventActions> {
        let value = self.object.value(&[EVENTS]);
        self.hash(EVENTS, &value.map(|raw| raw.map(RawValue::get)));
        let read = value.map_err(|problem| problem.text().to_owned());
        let read = read.and_then(|raw| raw.map_or(Ok(None), events::read));
        read.unwrap_or_else(|broken| {
            self.problems.push(format!("{EVENTS} {broken}"));
            None
        })
    }

    /// Reads the environments whose results the portal takes.
    fn environments(&mut self) -> Environments {
        let value = self.object.value(&[ENVIRONMENTS]);
        self.hash(ENVIRONMENTS, &value.map(|raw| raw.map(RawValue::get)));
        let read = value.map_err(FieldProblem::text);
        let read = read.and_then(|raw| raw.map_or(Ok(Environments::All), environments::read));
        read.unwrap_or_else(|broken| {
            self.problems.push(format!("{ENVIRONMENTS} {broken}"));
            Environments::All
        })
    }

    /// Reads the list of callers: a JSON array, a string with a JSON array in it, or one name.
    fn callers(&mut self) -> Option<Vec<CallerName>> {
        let list = self.object.value(&[CALLERS]).and_then(|value| value.map_or(Ok(None), object::list));
        self.hash(CALLERS, &list);
        let read = list.map_err(FieldProblem::list_text).and_then(|list| match list {
            Some(list) if list.is_empty() => Err("must name at least one caller, or be left out"),
            list => Ok(list),
        });
        let names = match read {
            Ok(list) => list?.iter().map(|text| CallerName::parse(text)).collect::<Result<_, _>>(),
            Err(problem) => {
                self.problems.push(format!("{CALLERS} {problem}"));
                return None;
            }
        };
        names.map_err(|problem| self.problems.push(format!("{CALLERS} {problem}"))).ok()
    }

    /// Reads the fields of the portal. Without `ftosAuth`, a client id means the legacy dialect.
    fn portal(&mut self) -> Option<Portal> {
        let url = self.required("ftosEndpoint", rules::portal_url);
        let client_id = self.optional("ftosClientId", rules::secret);
        let username = self.required("ftosUsername", rules::secret);
        let password = self.required("ftosPassword", rules::secret);
        let action = self.optional("ftosAction", rules::action);
        let dialect = self.optional("ftosAuth", rules::dialect).unwrap_or(match client_id {
            Some(_) => Dialect::Legacy,
            None => Dialect::Keycloak,
        });
        if dialect == Dialect::Legacy && client_id.is_none() {
            self.problems.push("ftosClientId is missing, which ftosAuth legacy needs".to_owned());
        }
        Some(Portal {
            url: url?,
            dialect,
            action: action.unwrap_or_else(|| DEFAULT_ACTION.to_owned()),
            client_id,
            username: username?,
            password: password?,
        })
    }
}

/// A random key per process. Without it, an outsider who saw a fingerprint could test guesses of a secret.
static FINGERPRINTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The name of the endpoint that FintechOS delivers.
const DEFAULT_ACTION: &str = "FTOS_Onfido_WebHook";
