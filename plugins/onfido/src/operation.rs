//! Which operation of Onfido's API a request is for.

use std::borrow::Cow;

use http::Method;
use kyc_plugin_api::{Problem, ProblemKind, Result};
use percent_encoding::percent_decode_str;

use crate::alias::Aliases;

/// A request in Onfido's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    pub(crate) method: Method,
    /// What an alias put in the place of its name; empty without one.
    pub(crate) replaced: &'a str,
    /// The caller's own path as it came; goes behind `replaced`.
    pub(crate) rest: &'a str,
}

// === impl Operation ===

impl<'a> Operation<'a> {
    /// Reads a path below the gateway's prefix, which has no leading slash.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::MethodNotAllowed`] for an alias under another method, [`ProblemKind::Forbidden`] for
    /// `/oauth/token`, where a caller would get a token of its own.
    pub(crate) fn read(
        method: &Method,
        path: &'a str,
        aliases: &'a Aliases,
        base_has_version: bool,
    ) -> Result<Self> {
        let path = match path.split_once('/') {
            Some((version, rest)) if base_has_version && is_version(version) => rest,
            Some(_) | None => path,
        };
        let (first, remainder) = path.split_at(path.find('/').unwrap_or(path.len()));
        let operation = match aliases.find(first) {
            Some(alias) if alias.method == *method => {
                Self { method: method.clone(), replaced: &alias.path, rest: remainder }
            }
            Some(_) => {
                return Err(Problem::new(ProblemKind::MethodNotAllowed, "the alias has another method"));
            }
            None => Self { method: method.clone(), replaced: "", rest: path },
        };
        if operation.is(&["oauth", "token"]) {
            return Err(Problem::new(ProblemKind::Forbidden, "tokens are not given out"));
        }
        Ok(operation)
    }

    /// Says whether this is `POST /checks`, however it is spelled.
    pub(crate) fn is_new_check(&self) -> bool {
        self.method == Method::POST && self.is(&["checks"])
    }

    /// The path and query at Onfido.
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

    /// Compares the path in its plainest form: decoded, without empty segments, `.`, parameters, version and
    /// trailing slash, in any case. Servers differ in which of these they see through.
    fn is(&self, wanted: &[&str]) -> bool {
        // A plain path that does not end like the last wanted segment is another one.
        let last = wanted.last().copied().unwrap_or_default().as_bytes();
        let path = self.replaced.as_bytes().iter().chain(self.rest.as_bytes());
        let disguised = path.fold(false, |found, byte| found | matches!(byte, b'%' | b';' | b'.'));
        let path = if self.rest.is_empty() { self.replaced } else { self.rest };
        let end = path.trim_end_matches('/').as_bytes();
        let tail = end.len().checked_sub(last.len()).and_then(|start| end.get(start..));
        if !disguised && !end.is_empty() && !tail.is_some_and(|tail| tail.eq_ignore_ascii_case(last)) {
            return false;
        }
        let mut segments = self
            .replaced
            .split('/')
            .chain(self.rest.split('/'))
            .map(plain)
            .filter(|segment| !segment.is_empty() && segment != ".")
            .peekable();
        while segments.next_if(|first| is_version(first)).is_some() {}
        let mut wanted = wanted.iter();
        loop {
            match (segments.next(), wanted.next()) {
                (None, None) => return true,
                (Some(segment), Some(wanted)) if segment.eq_ignore_ascii_case(wanted) => {}
                (Some(_) | None, Some(_)) | (Some(_), None) => return false,
            }
        }
    }
}

/// `v3`, `v3.6`.
pub(crate) fn is_version(segment: &str) -> bool {
    let Some(number) = segment.strip_prefix(['v', 'V']) else { return false };
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn plain(segment: &str) -> Cow<'_, str> {
    match percent_decode_str(segment).decode_utf8_lossy() {
        Cow::Borrowed(segment) => Cow::Borrowed(segment.split(';').next().unwrap_or_default()),
        Cow::Owned(mut segment) => {
            segment.truncate(segment.find(';').unwrap_or(segment.len()));
            Cow::Owned(segment)
        }
    }
}

/// Appends a query without API Management's `subscription-key`; all other bytes stay.
fn push_query(target: &mut String, query: &str) {
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
    fn paths_are_joined_as_they_are() {
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
    fn an_alias_has_one_method() {
        assert_eq!(target("GET", "StartCheck", None), Err(ProblemKind::MethodNotAllowed));
    }

    #[test]
    fn tokens_are_refused_in_any_disguise() {
        let disguises = [
            "oauth/token",
            "oauth/token/",
            "oauth//token",
            "./oauth/./token",
            "OAuth/Token",
            "o%61uth/t%6Fken",
            "v3.6/oauth/token",
            "v3/oauth/token",
            "oauth;x=1/token;y",
            "oauth%3Bx/token%3b",
            "v3.6/v3.6/oauth/token",
            "v3.6/v3.6/v3.6/oauth/token",
            "/oauth/token",
        ];

        for disguise in disguises {
            assert_eq!(target("POST", disguise, None), Err(ProblemKind::Forbidden), "{disguise}");
        }
        assert!(target("POST", "oauth/tokens", None).is_ok());
    }

    #[test]
    fn only_the_subscription_key_leaves_the_query() {
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
    fn new_checks_are_recognised_however_they_are_spelled() {
        let aliases = aliases();
        let is_check = |method: &str, path: &str| {
            Operation::read(&method.parse().unwrap(), path, &aliases, true).unwrap().is_new_check()
        };

        assert!(
            ["checks", "checks/", "StartCheck", "v3.6/checks", "%63hecks"]
                .iter()
                .all(|path| is_check("POST", path))
        );
        assert!(!is_check("GET", "checks") && !is_check("POST", "checks/1/resume"));
    }
}
