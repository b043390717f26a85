//! Translates a request to the gateway into a request to Onfido: resolves aliases and removes a leading version.

use http::Method;
use kyc_plugin_api::{Problem, ProblemKind, Result};
use percent_encoding::percent_decode_str;

use crate::alias::Aliases;
use crate::catalog::{Catalog, Found};
use crate::version::is_version;

/// The method and path of a request to Onfido.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    pub(crate) method: Method,
    /// The path of the alias; empty when the caller used none.
    pub(crate) replaced: &'a str,
    /// The caller's path after the alias, or the whole path, not decoded; follows `replaced`.
    pub(crate) rest: &'a str,
}

// === impl Operation ===

impl<'a> Operation<'a> {
    /// Parses the path after the route's prefix, without a leading slash.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::MethodNotAllowed`] for an alias with another method than its own.
    pub(crate) fn read(
        method: &Method,
        path: &'a str,
        aliases: &'a Aliases,
        base_has_version: bool,
    ) -> Result<Self> {
        // The tenant's base URL decides the version. Without a version in it, the caller's is a part of the path at Onfido.
        let path = match path.split_once('/') {
            Some((version, rest)) if base_has_version && is_version(version) => rest,
            Some(_) | None => path,
        };
        let (first, remainder) = path.split_at(path.find('/').unwrap_or(path.len()));
        match aliases.find(first) {
            Some(alias) if alias.method == *method => {
                Ok(Self { method: method.clone(), replaced: &alias.path, rest: remainder })
            }
            Some(_) => Err(Problem::new(ProblemKind::MethodNotAllowed, "the alias has another method")),
            None => Ok(Self { method: method.clone(), replaced: "", rest: path }),
        }
    }

    /// Finds the operation in Onfido's API description. It uses the same path that is sent, so that policy and request cannot
    /// differ.
    pub(crate) fn find_in(&self, catalog: &Catalog) -> Found {
        catalog.find(&self.method, [self.replaced, self.rest])
    }

    /// Builds the path and query of the request to Onfido.
    pub(crate) fn path_and_query(&self, base: &str, query: Option<&str>) -> String {
        let mut target = String::with_capacity(
            base.len() + self.replaced.len() + self.rest.len() + query.map_or(0, str::len) + 2,
        );
        target.push_str(base);
        if self.replaced.is_empty() {
            target.push('/');
        }
        target.push_str(self.replaced);
        target.push_str(self.rest);
        if let Some(query) = query {
            push_query(&mut target, query);
        }
        target
    }
}

/// Appends a query without `subscription-key`, the caller's credential for Azure API Management, which Onfido must not
/// receive. All other bytes stay unchanged.
fn push_query(target: &mut String, query: &str) {
    // Without `-` and `%` the query cannot contain the name, so the common case needs no parsing.
    if !query.contains(['-', '%']) {
        target.push('?');
        target.push_str(query);
        return;
    }
    let mut separator = '?';
    for parameter in query.split('&') {
        let name = parameter.split('=').next().unwrap_or_default().replace('+', " ");
        if percent_decode_str(&name).decode_utf8_lossy().trim().eq_ignore_ascii_case(SUBSCRIPTION_KEY) {
            continue;
        }
        target.push(separator);
        target.push_str(parameter);
        separator = '&';
    }
}

const SUBSCRIPTION_KEY: &str = "subscription-key";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn aliases() -> Aliases {
        let configured = BTreeMap::from([("GetReport".to_owned(), "GET /reports".to_owned())]);
        Aliases::new(&configured).unwrap()
    }

    fn target(method: &str, path: &str, query: Option<&str>) -> std::result::Result<String, ProblemKind> {
        let aliases = aliases();
        let operation = Operation::read(&method.parse().unwrap(), path, &aliases, true);
        operation.map(|found| found.path_and_query("/v3.6", query)).map_err(|problem| problem.kind())
    }

    #[test]
    fn path_is_appended_to_the_base_without_decoding() {
        let rows = [
            ("GET", "applicants", "/v3.6/applicants"),
            ("POST", "checks/", "/v3.6/checks/"),
            ("GET", "applicants/a%20b/", "/v3.6/applicants/a%20b/"),
            ("GET", "v3.6/applicants", "/v3.6/applicants"),
            ("GET", "v3.5/applicants/", "/v3.6/applicants/"),
            ("GET", "vault/x", "/v3.6/vault/x"),
            ("POST", "CreateApplicant", "/v3.6/applicants"),
            ("POST", "GetSdkToken", "/v3.6/sdk_token"),
            ("POST", "StartCheck", "/v3.6/checks"),
            ("POST", "StartCheck/", "/v3.6/checks/"),
            ("GET", "GetReport/123", "/v3.6/reports/123"),
            ("POST", "startcheck", "/v3.6/startcheck"),
        ];

        for (method, path, expected) in rows {
            assert_eq!(target(method, path, None).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn alias_with_another_method_is_refused_as_method_not_allowed() {
        assert_eq!(target("GET", "StartCheck", None), Err(ProblemKind::MethodNotAllowed));
    }

    #[test]
    fn only_the_subscription_key_is_removed_from_the_query() {
        let rows = [
            ("a=1&subscription-key=x&b=%2F+y", "?a=1&b=%2F+y"),
            ("subscription-key=x", ""),
            ("Subscription-Key=x&&a", "?&a"),
            ("subscription%2Dkey=x&a=b", "?a=b"),
            ("subscription-keys=x", "?subscription-keys=x"),
            ("", "?"),
        ];

        for (query, expected) in rows {
            assert_eq!(target("GET", "x", Some(query)), Ok(format!("/v3.6/x{expected}")), "{query}");
        }
    }

    #[test]
    fn alias_resolves_to_its_operation() {
        let (aliases, catalog) = (aliases(), Catalog::new());
        let rows = [
            ("POST", "StartCheck", "create_check"),
            ("POST", "StartCheck/", "create_check"),
            ("GET", "GetReport/1", "find_report"),
            ("GET", "GetReport", "list_reports"),
            ("POST", "startcheck", "unlisted"),
        ];

        for (method, path, expected) in rows {
            let operation = Operation::read(&method.parse().unwrap(), path, &aliases, true).unwrap();
            assert_eq!(operation.find_in(&catalog).id, expected, "{path}");
        }
    }
}
