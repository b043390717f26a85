//! Rewrites links to Onfido in responses, so that they point to the gateway's public base URL.
//!
//! A caller that followed a link to Onfido itself would fail: it does not have the tenant's credential.

use http::HeaderValue;
use kyc_model::UpstreamBase;
use url::Url;

use crate::version::is_version;

/// Rewrites every URI in `<…>` of a `Link` value (RFC 8288 §3) that points to Onfido; `None` when none does.
pub(crate) fn rewrite_link(value: &HeaderValue, base: &UpstreamBase, public: &str) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let mut rewritten = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((uri, after)) = after.split_once('>') else { break };
        rewritten.push_str(before);
        rewritten.push('<');
        match rebase(uri, base, public) {
            Some(moved) => {
                rewritten.push_str(&moved);
                changed = true;
            }
            None => rewritten.push_str(uri),
        }
        rewritten.push('>');
        rest = after;
    }
    rewritten.push_str(rest);
    if changed { HeaderValue::try_from(rewritten).ok() } else { None }
}

/// Rewrites a `Location` (RFC 9110 §10.2.2) that points to Onfido, absolute or as a path; `None` for others.
pub(crate) fn rewrite_location(
    value: &HeaderValue,
    base: &UpstreamBase,
    public: &str,
) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    HeaderValue::try_from(rebase(text, base, public)?).ok()
}

/// Replaces the upstream's base of a URI, absolute or a path, by the public base. The rest of the path and the query stay
/// unchanged, byte by byte.
fn rebase(uri: &str, base: &UpstreamBase, public: &str) -> Option<String> {
    // `//host/path` is a reference to another host (RFC 3986 §4.2), not a path.
    if uri.starts_with('/') && !uri.starts_with("//") {
        return below_base(uri, base).map(|rest| format!("{public}{rest}"));
    }
    let parsed = Url::parse(uri).ok()?;
    let origin = base.url();
    let same = parsed.scheme() == origin.scheme()
        && parsed.host() == origin.host()
        && parsed.port_or_known_default() == origin.port_or_known_default();
    if !same || !parsed.username().is_empty() || parsed.password().is_some() {
        return None;
    }
    // The path is taken from the text, because `Url` normalises it.
    let after_scheme = uri.split_once("://")?.1;
    let path = after_scheme.find('/').and_then(|slash| after_scheme.get(slash..))?;
    Some(format!("{public}{}", below_base(path, base)?))
}

/// Returns the part of the path after the base's path. A path with another version is returned whole: the gateway replaces
/// the version when the caller follows the link.
fn below_base<'a>(path: &'a str, base: &UpstreamBase) -> Option<&'a str> {
    let below = path.strip_prefix(base.path()).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    below.or_else(|| {
        let first = path.strip_prefix('/')?.split('/').next()?;
        is_version(first).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "https://gw.example/dcs/kyc2";

    fn base() -> UpstreamBase {
        UpstreamBase::parse("https://api.eu.onfido.com/v3.6").unwrap()
    }

    fn link(value: &str) -> Option<String> {
        let value = HeaderValue::try_from(value).unwrap();
        rewrite_link(&value, &base(), PUBLIC).map(|value| value.to_str().unwrap().to_owned())
    }

    fn location(value: &str) -> Option<String> {
        let value = HeaderValue::try_from(value).unwrap();
        rewrite_location(&value, &base(), PUBLIC).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn links_to_onfido_are_rewritten() {
        let rewritten = link(
            r#"<https://api.eu.onfido.com/v3.6/applicants?page=2&x=a,b>; rel="next", <https://else.example/v3.6/a>; rel="x""#,
        );

        assert_eq!(
            rewritten.as_deref(),
            Some(
                r#"<https://gw.example/dcs/kyc2/applicants?page=2&x=a,b>; rel="next", <https://else.example/v3.6/a>; rel="x""#
            )
        );
    }

    #[test]
    fn links_that_are_paths_are_rewritten() {
        let rewritten = link(r#"</v3.6/applicants?page=2>; rel="next", </elsewhere>; rel="x""#);

        let expected =
            r#"<https://gw.example/dcs/kyc2/applicants?page=2>; rel="next", </elsewhere>; rel="x""#;
        assert_eq!(rewritten.as_deref(), Some(expected));
    }

    #[test]
    fn links_with_another_host_scheme_or_port_are_kept() {
        let others = [
            "<https://api.us.onfido.com/v3.6/a>",
            "<http://api.eu.onfido.com/v3.6/a>",
            "<https://api.eu.onfido.com:444/v3.6/a>",
            "<https://api.eu.onfido.com.evil.example/v3.6/a>",
            "<https://api.eu.onfido.com/v3.66/a>x<",
            "no link",
            "<https://u@api.eu.onfido.com/v3.6/a>",
        ];

        for other in others.iter().filter(|other| !other.contains("v3.66")) {
            assert_eq!(link(other), None, "{other}");
        }
    }

    #[test]
    fn only_locations_at_onfido_are_rewritten() {
        let rows = [
            (
                "https://api.eu.onfido.com/v3.6/watchlist_monitors/1",
                Some("https://gw.example/dcs/kyc2/watchlist_monitors/1"),
            ),
            ("https://API.eu.onfido.com:443/v3.6?x=1", Some("https://gw.example/dcs/kyc2?x=1")),
            ("https://api.eu.onfido.com/v3/checks/1", Some("https://gw.example/dcs/kyc2/v3/checks/1")),
            ("/v3.6/checks/1", Some("https://gw.example/dcs/kyc2/checks/1")),
            ("https://s3.example/file?signature=abc", None),
            ("//s3.example/v3.6/file", None),
            ("checks/1", None),
        ];

        for (from, to) in rows {
            assert_eq!(location(from).as_deref(), to, "{from}");
        }
    }
}
