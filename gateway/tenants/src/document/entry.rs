//! One entry of `Onfido-ApiTokens`, and all that may be wrong with it.

use std::convert::Infallible;
use std::fmt::Display;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use http::HeaderValue;
use kyc_model::{
    CallerName, Dialect, OperationSet, Portal, Secret, SubscriptionId, Tenant, TenantName, UpstreamBase,
};
use serde_json::value::RawValue;

use super::hosts::OnfidoHosts;
use super::object::{self, FieldProblem, Object};
use super::rules::{self, BASE_URL};

/// What could be read of an entry.
#[derive(Default)]
pub(super) struct Entry {
    /// There when it keeps its rules, whatever else is wrong, so that a double is seen.
    pub(super) name: Option<TenantName>,
    /// There when it keeps its rules, whatever else is wrong, so that a double is seen.
    pub(super) subscription_id: Option<SubscriptionId>,
    /// The entry leaves the base URL to the document.
    pub(super) needs_base: bool,
    /// All that is wrong; holds no values.
    pub(super) problems: Vec<String>,
    /// Fields that are none, with those that they look like.
    pub(super) misspelt: Vec<(String, &'static str)>,
    /// Another entry has one of its keys.
    pub(super) is_shared: bool,
    /// There when nothing is wrong.
    pub(super) tenant: Option<Tenant>,
}

/// Reads field after field, notes every problem, and hashes what it reads.
struct Reader<'a> {
    object: Object<'a>,
    problems: Vec<String>,
    hasher: DefaultHasher,
}

// === impl Entry ===

impl Entry {
    /// Reads an entry; `base` is the document's own base URL.
    pub(super) fn read(raw: &RawValue, base: Option<&Arc<UpstreamBase>>, hosts: &OnfidoHosts) -> Self {
        let Ok(object) = Object::parse(raw.get()) else {
            return Self { problems: vec!["is not an object".to_owned()], ..Self::default() };
        };
        let mut reader = Reader { object, problems: Vec::new(), hasher: FINGERPRINTS.build_hasher() };
        let name = reader.required("Name", rules::tenant_name);
        let subscription_id = reader.required("subscriptionId", rules::subscription_id);
        let authorization = reader.required("apiToken", authorization);
        let webhook_id = reader.optional("webhookId", rules::webhook_id);
        let signing_token = reader.optional("webhookToken", secret);
        let operations = reader.operations();
        let callers = reader.callers();
        let (own_base, needs_base) = reader.base(hosts);
        if needs_base && let Some(problem) = base.and_then(|base| hosts.in_clear(base)) {
            reader.problems.push(format!("{BASE_URL} {problem}"));
        }
        let portal = reader.portal();
        let base = own_base.or_else(|| base.map(Arc::clone));
        base.as_ref().map(|base| base.url().as_str()).hash(&mut reader.hasher);
        let fingerprint = reader.hasher.finish();
        let tenant = match (name.clone(), subscription_id.clone(), authorization, base, portal) {
            (Some(name), Some(subscription_id), Some(authorization), Some(base), Some(portal)) => {
                Some(Tenant {
                    name,
                    subscription_id,
                    base,
                    authorization,
                    webhook_id,
                    signing_token,
                    operations,
                    portal,
                    callers,
                    fingerprint,
                })
            }
            _ => None,
        };
        let misspelt = reader.object.unknown(&FIELDS);
        let problems = reader.problems;
        Self { name, subscription_id, needs_base, problems, misspelt, is_shared: false, tenant }
    }
}

// === impl Reader ===

impl Reader<'_> {
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

    fn optional<T, E: Display>(
        &mut self,
        field: &'static str,
        rule: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.object.text(field).map_err(|problem| problem.text());
        (field, &text).hash(&mut self.hasher);
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

    /// The entry's own base URL, and whether it needs the document's: a bad one is not made good by that.
    fn base(&mut self, hosts: &OnfidoHosts) -> (Option<Arc<UpstreamBase>>, bool) {
        let known = self.problems.len();
        let own = self.optional("baseUrl", |text| {
            let base = UpstreamBase::parse(text).and_then(|base| hosts.admit(base));
            let base = base.map_err(|error| error.to_string())?;
            match hosts.in_clear(&base) {
                Some(problem) => Err(problem.to_owned()),
                None => Ok(base),
            }
        });
        let own = own.map(Arc::new);
        let needs_base = own.is_none() && self.problems.len() == known;
        (own, needs_base)
    }

    /// The calls that may be made. A blank list is a mistake and not all of them, as nobody would write it for that.
    fn operations(&mut self) -> OperationSet {
        let read = match self.object.value(&["operations"]) {
            Ok(Some(raw)) => {
                raw.get().hash(&mut self.hasher);
                rules::operations(raw)
            }
            Ok(None) => return OperationSet::ALL,
            Err(problem) => Err(problem.text().to_owned()),
        };
        read.unwrap_or_else(|broken| {
            self.problems.push(format!("operations {broken}"));
            OperationSet::NONE
        })
    }

    /// A list of names, native or as JSON within a text, or one name.
    fn callers(&mut self) -> Option<Vec<CallerName>> {
        let list = self.object.value(&[CALLERS]).and_then(|value| value.map_or(Ok(None), object::list));
        (CALLERS, &list).hash(&mut self.hasher);
        let read = list.map_err(FieldProblem::list_text).and_then(|list| match list {
            Some(list) if list.is_empty() => Err("names nobody; leave it out to name none"),
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

    fn portal(&mut self) -> Option<Portal> {
        let url = self.required("ftosEndpoint", rules::portal_url);
        let client_id = self.optional("ftosClientId", secret);
        let username = self.required("ftosUsername", secret);
        let password = self.required("ftosPassword", secret);
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

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

fn authorization(text: &str) -> Result<HeaderValue, &'static str> {
    Secret::new(text.to_owned()).header_value("Token token=").ok_or("has characters that no header may carry")
}

/// Keyed once per process, so that a fingerprint says nothing about a secret to anyone outside.
static FINGERPRINTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

const CALLERS: &str = "callers";
/// All fields that are read; the document may have others, for other programs.
const FIELDS: [&str; 14] = [
    "Name",
    "subscriptionId",
    "apiToken",
    "webhookId",
    "webhookToken",
    "operations",
    CALLERS,
    "baseUrl",
    "ftosEndpoint",
    "ftosClientId",
    "ftosUsername",
    "ftosPassword",
    "ftosAction",
    "ftosAuth",
];

/// What FintechOS calls its endpoint.
const DEFAULT_ACTION: &str = "FTOS_Onfido_WebHook";
