//! The caller of a request, as the plugin that authenticates callers has verified it.

use std::fmt::{self, Write};

use kyc_model::{CallerKind, CallerName};
use serde_json::{Map, Value};

use crate::Ctx;

/// The verified names of a caller and the claims of its token. The plugin that authenticates callers records it, the plugin
/// that finds the tenant reads it, and the access log shows it.
#[derive(Clone, Default)]
pub struct Caller {
    names: Vec<CallerName>,
    claims: Map<String, Value>,
    has_token: bool,
}

// === impl Caller ===

impl Caller {
    /// Adds a name that a verified credential contains.
    pub fn add(&mut self, kind: CallerKind, value: &str) {
        self.add_name(CallerName::new(kind, value));
    }

    /// Adds a name, which may include the issuer of the credential.
    pub fn add_name(&mut self, name: CallerName) {
        self.names.push(name);
    }

    /// Stores the claims of a verified token.
    pub fn set_claims(&mut self, claims: Map<String, Value>) {
        self.claims = claims;
        self.has_token = true;
    }

    /// Puts the caller into the context. Names that another plugin recorded before are kept.
    pub fn record(mut self, cx: &mut Ctx) {
        if let Some(known) = cx.extensions_mut().remove::<Self>() {
            self.names.extend(known.names);
            if !self.has_token {
                (self.claims, self.has_token) = (known.claims, known.has_token);
            }
        }
        if !self.names.is_empty() || self.has_token {
            cx.extensions_mut().insert(self);
        }
    }

    /// Returns the caller, if a plugin has recorded it.
    pub fn of(cx: &Ctx) -> Option<&Self> {
        cx.extensions().get()
    }

    /// Returns whether one of `names` of the tenant document matches the caller.
    pub fn is_one_of(&self, names: &[CallerName]) -> bool {
        self.names.iter().any(|name| names.iter().any(|written| name.matches(written)))
    }

    /// Returns whether a certificate or a token identifies this caller, and not only a secret that several may share. A token does,
    /// regardless of its claims.
    pub fn is_individual(&self) -> bool {
        self.has_token || self.names.iter().any(|name| name.kind() != CallerKind::Secret)
    }

    /// Returns the values of the names of one kind.
    pub fn names(&self, kind: CallerKind) -> impl Iterator<Item = &str> {
        self.names.iter().filter(move |name| name.kind() == kind).map(CallerName::value)
    }

    /// Returns the text of a claim of the verified token.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Returns the caller for logs: one name of each credential, escaped, truncated after 256 bytes.
    pub fn label(&self) -> String {
        let shown = [
            &[CallerKind::CertificateSubject][..],
            &[CallerKind::Subject, CallerKind::AuthorizedParty, CallerKind::AppId, CallerKind::ClientId],
            &[CallerKind::Secret],
        ];
        let of = |kind: &CallerKind| self.names.iter().find(|name| name.kind() == *kind);
        printable(shown.iter().filter_map(|kinds| kinds.iter().find_map(of)))
    }

    /// Returns all names for logs, for messages about a caller that matched no name.
    pub fn all_names(&self) -> String {
        printable(self.names.iter())
    }
}

/// Shows no names and no claims: they are personal data.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

/// Escapes names for a log: no control characters, no characters that change the direction of text, and a bounded length. The owner of
/// a certificate or token chooses the names in it.
fn printable<'a>(names: impl Iterator<Item = &'a CallerName>) -> String {
    let mut text = String::new();
    for (place, name) in names.enumerate() {
        if place > 0 {
            text.push_str("; ");
        }
        for letter in name.to_string().chars() {
            if text.len() >= MAX_LABEL {
                text.push('…');
                return text;
            }
            if letter.is_control() || INVISIBLE.iter().any(|range| range.contains(&letter)) {
                // Writing into a string does not fail.
                let _ = write!(text, "{}", letter.escape_unicode());
            } else {
                text.push(letter);
            }
        }
    }
    text
}

/// Characters without width, and those that change the direction of text.
const INVISIBLE: [std::ops::RangeInclusive<char>; 5] = [
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{e0000}'..='\u{e007f}',
];

/// The bytes of a caller in a log; the last character may exceed it.
const MAX_LABEL: usize = 256;

#[cfg(test)]
mod tests {
    use kyc_model::RequestId;
    use serde_json::json;

    use super::*;
    use crate::Connection;

    fn caller(names: &[(CallerKind, &str)]) -> Caller {
        let mut caller = Caller::default();
        names.iter().for_each(|(kind, value)| caller.add(*kind, value));
        caller
    }

    #[test]
    fn label_names_each_credential_once_without_terminal_controls() {
        let all = caller(&[
            (CallerKind::Secret, "apim"),
            (CallerKind::Dns, "a.example"),
            (CallerKind::AuthorizedParty, "client"),
            (CallerKind::Subject, "some\u{1b}[2Jone\u{202e}\r\n"),
            (CallerKind::CertificateSubject, "CN=a"),
        ]);
        let long = caller(&[(CallerKind::Subject, &"é".repeat(1000))]);

        let labels = (all.label(), long.label());

        assert_eq!(labels.0, "cert-subject:CN=a; sub:some\\u{1b}[2Jone\\u{202e}\\u{d}\\u{a}; secret:apim");
        assert!(labels.1.len() <= MAX_LABEL + 4 && labels.1.ends_with('…'), "{}", labels.1);
    }

    #[test]
    fn results_of_several_plugins_are_merged_and_debug_shows_no_claim() {
        let mut cx = Ctx::new(RequestId::new(), Connection::default(), None);
        let mut first = caller(&[(CallerKind::Subject, "one")]);
        let claims = json!({ "tenant": "acme", "n": 1 });
        first.set_claims(claims.as_object().unwrap().clone());

        first.record(&mut cx);
        caller(&[(CallerKind::Secret, "apim")]).record(&mut cx);

        let found = Caller::of(&cx).unwrap();
        assert_eq!(found.label(), "sub:one; secret:apim");
        assert_eq!((found.claim("tenant"), found.claim("n"), found.claim("x")), (Some("acme"), None, None));
        assert!(found.is_individual() && !caller(&[(CallerKind::Secret, "a")]).is_individual());
        assert!(!format!("{cx:?}").contains("acme"));
    }

    #[test]
    fn token_without_names_is_an_individual_beside_a_secret() {
        let mut cx = Ctx::new(RequestId::new(), Connection::default(), None);
        let mut nameless = caller(&[(CallerKind::Secret, "apim")]);
        nameless.set_claims(Map::new());

        nameless.record(&mut cx);
        caller(&[(CallerKind::Secret, "other")]).record(&mut cx);
        let mut alone = Caller::default();
        alone.set_claims(json!({ "tenant": "acme" }).as_object().unwrap().clone());
        let mut second = Ctx::new(RequestId::new(), Connection::default(), None);
        alone.record(&mut second);

        assert!(Caller::of(&cx).unwrap().is_individual());
        assert_eq!(Caller::of(&second).unwrap().claim("tenant"), Some("acme"));
    }
}
