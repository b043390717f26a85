//! What the gateway expects of a webhook: where it points, and which events it sends.

use std::collections::BTreeSet;

use kyc_model::{Tenant, TenantName};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::DoctorConfig;

/// What the gateway expects of the webhooks at Onfido.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The URL without the configuration name, if it is configured.
    base: Option<Url>,
    /// The segment before the configuration name in the path of each route; `None` where that is a placeholder.
    before: Vec<Option<String>>,
    /// The events that the routes deliver; empty if they deliver whatever comes.
    pub(crate) events: BTreeSet<String>,
}

/// A route that receives notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRoute {
    /// Its path patterns.
    pub paths: Vec<String>,
    /// The events that it delivers; `*` stands for all.
    pub events: Vec<String>,
}

// === impl Expected ===

impl Expected {
    /// Collects what the routes expect.
    pub fn new(config: &DoctorConfig, routes: &[NotificationRoute]) -> Self {
        let takes_all = |route: &NotificationRoute| route.events.iter().any(|event| event == "*");
        // A route that takes every event says nothing about which ones must be sent.
        let named = routes.iter().filter(|route| !takes_all(route));
        Self {
            base: config.notification_url.as_deref().and_then(|url| Url::parse(url.trim()).ok()),
            before: routes.iter().flat_map(|route| &route.paths).map(|path| before_name(path)).collect(),
            events: named.flat_map(|route| route.events.iter().cloned()).collect(),
        }
    }

    /// Returns the URL that the webhook of a tenant must have; `None` unless `notification_url` is configured.
    pub fn url_of(&self, tenant: &TenantName) -> Option<Url> {
        let mut url = self.base.clone()?;
        // Fails only for URLs that cannot be a base; this one is http or https.
        url.path_segments_mut().ok()?.pop_if_empty().push(tenant.as_str());
        Some(url)
    }

    /// Returns the events that the tenant's webhook must send: those of its own map, which decides instead of the routes. Groups
    /// and `*` say nothing about which ones must be sent.
    pub fn events_of(&self, tenant: &Tenant) -> BTreeSet<String> {
        let Some(own) = &tenant.events else { return self.events.clone() };
        let wanted = own.iter().filter(|(kind, action)| action.is_some() && !kind.ends_with('*'));
        wanted.map(|(kind, _)| kind.to_owned()).collect()
    }

    /// Returns whether a route receives notifications. Otherwise nobody expects a webhook.
    pub fn any(&self) -> bool {
        !self.before.is_empty()
    }

    /// Returns whether a webhook's URL is the one of this gateway for this tenant.
    pub fn is_own_url(&self, url: &str, tenant: &TenantName) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let segments = segments(&url);
        let Some((name, path)) = segments.split_last() else { return false };
        if name != tenant.as_str() {
            return false;
        }
        match &self.base {
            Some(base) => {
                url.scheme() == base.scheme()
                    && url.host() == base.host()
                    && url.port_or_known_default() == base.port_or_known_default()
                    && path == self::segments(base)
            }
            None => self.before.iter().any(|before| match before {
                Some(before) => path.last() == Some(before),
                None => true,
            }),
        }
    }
}

/// Returns the segment before `{configurationName}` in a path pattern, if that is no placeholder.
fn before_name(pattern: &str) -> Option<String> {
    let before = pattern.trim_end_matches('/').rsplit('/').nth(1)?;
    (!before.is_empty() && !before.contains('{')).then(|| before.to_owned())
}

/// Returns the decoded segments of the path, without a slash at its end.
fn segments(url: &Url) -> Vec<String> {
    let path = url.path().trim_matches('/').split('/');
    path.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(url: Option<&str>, events: &[&[&str]]) -> Expected {
        let config = DoctorConfig { notification_url: url.map(str::to_owned), ..DoctorConfig::default() };
        let route = |events: &&[&str]| NotificationRoute {
            paths: vec!["/dcs/kyc2/webhook/notify/{configurationName}/".to_owned()],
            events: events.iter().map(|event| (*event).to_owned()).collect(),
        };
        Expected::new(&config, &events.iter().map(route).collect::<Vec<_>>())
    }

    #[test]
    fn url_is_compared_with_the_configured_one() {
        let expected = expected(Some("https://g.test/kyc/notify/"), &[&["*"]]);
        let name = TenantName::new("a b");

        for (url, is_own) in [
            ("https://g.test/kyc/notify/a%20b", true),
            ("https://g.test:443/kyc/notify/a%20b/", true),
            ("https://g.test/kyc/notify/a", false),
            ("https://g.test/notify/a%20b", false),
            ("https://g.test/x/kyc/notify/a%20b", false),
            ("http://g.test/kyc/notify/a%20b", false),
            ("https://g.test:8443/kyc/notify/a%20b", false),
            ("https://other.test/kyc/notify/a%20b", false),
            ("a b", false),
        ] {
            assert_eq!(expected.is_own_url(url, &name), is_own, "{url}");
        }
    }

    #[test]
    fn url_of_a_tenant_is_recognised_as_its_own() {
        let name = TenantName::new("a b/c");
        let urls = [
            expected(Some("https://g.test/kyc/notify/"), &[&["*"]]),
            expected(Some("https://g.test/kyc/notify"), &[&["*"]]),
        ]
        .map(|expected| expected.url_of(&name).filter(|url| expected.is_own_url(url.as_str(), &name)));

        assert_eq!(
            urls.map(|url| url.map(String::from)),
            [(); 2].map(|()| Some("https://g.test/kyc/notify/a%20b%2Fc".to_owned()))
        );
        assert_eq!(expected(None, &[&["*"]]).url_of(&name), None);
    }

    #[test]
    fn without_a_configured_url_the_end_of_the_path_is_compared() {
        let expected = expected(None, &[&["*"]]);
        let name = TenantName::new("acme");

        for (url, is_own) in [
            ("https://apim.test/dcs/kyc2/webhook/notify/acme", true),
            ("https://apim.test/onfido/notify/acme/", true),
            ("https://apim.test/onfido/notify/globex", false),
            ("https://apim.test/onfido/acme", false),
            ("https://apim.test/notify/acme/more", false),
            ("https://apim.test/", false),
        ] {
            assert_eq!(expected.is_own_url(url, &name), is_own, "{url}");
        }
    }

    #[test]
    fn events_are_those_of_all_routes_that_name_some() {
        let both = expected(None, &[&["report.completed"], &["check.completed", "*"], &["check.started"]]);

        assert_eq!(Vec::from_iter(&both.events), ["check.started", "report.completed"]);
        assert!(both.any() && !Expected::default().any());
    }

    #[test]
    fn map_of_the_tenant_decides_instead_of_the_routes() {
        let expected = expected(None, &[&["report.completed"]]);
        let mut tenant = kyc_model::testkit::tenant("acme", "http://onfido.test", "http://portal.test");
        let of_routes = expected.events_of(&tenant);
        let mut own = kyc_model::EventActions::default();
        for (kind, action) in [
            ("workflow_run.completed", Some("Run")),
            ("check.completed", None),
            ("workflow_task.*", Some("Task")),
        ] {
            own.add(kind.to_owned(), action.map(str::to_owned));
        }
        tenant.events = Some(own);

        assert_eq!(Vec::from_iter(of_routes), ["report.completed"]);
        assert_eq!(Vec::from_iter(expected.events_of(&tenant)), ["workflow_run.completed"]);
    }
}
