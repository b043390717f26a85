//! The table of routes: finds the route of a path.

use std::sync::Arc;

use http::{HeaderValue, Method};
use kyc_plugin_api::{Params, Plugin};
use kyc_telemetry::{Metrics, RouteMetrics};

use super::chain::Chains;

/// A route as the configuration describes it.
pub struct Route {
    /// The name, a label in logs and metrics.
    pub name: String,
    /// Path patterns in `matchit`'s syntax: `/a/{name}` matches one segment, `/a/{*path}` the rest of the path.
    pub paths: Vec<String>,
    /// The allowed methods; empty: all except CONNECT and TRACE.
    pub methods: Vec<Method>,
    /// The largest request body in bytes; `None`: no limit.
    pub max_body: Option<u64>,
    /// The plugins' kinds and instances, in order.
    pub plugins: Vec<(String, Arc<dyn Plugin>)>,
}

/// All routes, ready for requests. Copies share the routes.
#[derive(Clone, Debug)]
pub struct RouteTable {
    /// The index of the route, and of the pattern in it.
    router: matchit::Router<(usize, usize)>,
    /// `None`: a route that this listener does not serve.
    routes: Vec<Option<Arc<CompiledRoute>>>,
    unrouted: Arc<CompiledRoute>,
}

/// One route, ready for requests.
#[derive(Debug)]
pub(crate) struct CompiledRoute {
    pub(crate) name: String,
    /// The path patterns, for spans.
    pub(crate) paths: Vec<String>,
    pub(crate) methods: Vec<Method>,
    /// The `Allow` header of a 405.
    pub(crate) allow: HeaderValue,
    /// The values of `WWW-Authenticate` of a 401; at least one (RFC 9110 §15.5.2).
    pub(crate) challenges: Vec<HeaderValue>,
    pub(crate) max_body: Option<u64>,
    pub(crate) chains: Chains,
    pub(crate) metrics: RouteMetrics,
}

/// A route and the values of its placeholders.
#[derive(Debug)]
pub struct RouteMatch {
    pub(crate) route: Arc<CompiledRoute>,
    /// The index of the pattern in the route.
    pub(crate) pattern: usize,
    pub(crate) params: Params,
}

/// An invalid route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("routes[{route}].{key}: {reason}")]
pub struct RouteTableError {
    /// The index in the list.
    pub route: usize,
    /// The key below it, such as `paths[0]`.
    pub key: String,
    /// The reason.
    pub reason: String,
}

// === impl Route ===

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = self.plugins.iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        f.debug_struct("Route").field("name", &self.name).field("plugins", &kinds).finish_non_exhaustive()
    }
}

// === impl RouteTable ===

impl RouteTable {
    /// Compiles the routes and their chains.
    ///
    /// # Errors
    ///
    /// Every pattern that is invalid or conflicts with another one, and every plugin that implements no phase.
    pub fn compile(routes: Vec<Route>, metrics: &Metrics) -> Result<Self, Vec<RouteTableError>> {
        let mut router = matchit::Router::new();
        let mut compiled = Vec::with_capacity(routes.len());
        let mut errors = Vec::new();
        for (index, route) in routes.into_iter().enumerate() {
            let mut refuse = |key: String, reason: String| {
                errors.push(RouteTableError { route: index, key, reason });
            };
            if route.paths.is_empty() {
                refuse("paths".to_owned(), "must hold at least one pattern".to_owned());
            }
            for (place, path) in route.paths.iter().enumerate() {
                if let Err(error) = router.insert(path.as_str(), (index, place)) {
                    refuse(format!("paths[{place}]"), error.to_string());
                }
            }
            for (place, (kind, plugin)) in route.plugins.iter().enumerate() {
                if plugin.phases().is_empty() {
                    refuse(format!("plugins[{place}]"), format!("`{kind}` takes part in no phase"));
                }
            }
            compiled.push(Some(Arc::new(CompiledRoute::new(route, metrics))));
        }
        let unrouted = Arc::new(CompiledRoute::unrouted(metrics));
        if errors.is_empty() { Ok(Self { router, routes: compiled, unrouted }) } else { Err(errors) }
    }

    /// Returns a table that serves only some of the routes and shares them with this one. A path of another route is not found; it
    /// does not match one of these with a less specific pattern.
    ///
    /// # Errors
    ///
    /// The names without a route.
    pub fn only(&self, names: &[String]) -> Result<Self, Vec<String>> {
        let known =
            |name: &&String| self.routes.iter().any(|route| route.as_ref().is_some_and(|r| r.name == **name));
        let unknown: Vec<String> = names.iter().filter(|name| !known(name)).cloned().collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let mut part = self.clone();
        for route in &mut part.routes {
            route.take_if(|route| !names.contains(&route.name));
        }
        Ok(part)
    }

    /// Finds the route of a path. The path is not decoded, and its case matters.
    pub fn find(&self, path: &str) -> Option<RouteMatch> {
        let found = self.router.at(path).ok()?;
        let (route, pattern) = *found.value;
        let route = Arc::clone(self.routes.get(route)?.as_ref()?);
        Some(RouteMatch { route, pattern, params: found.params.iter().collect() })
    }

    /// Returns the names of the routes that buffer request bodies.
    pub(crate) fn buffering(&self) -> impl Iterator<Item = &str> {
        self.routes
            .iter()
            .flatten()
            .filter(|route| route.chains.buffers_bodies())
            .map(|route| route.name.as_str())
    }

    /// Returns the route under which requests are counted until their route is found.
    pub(crate) fn unrouted(&self) -> &Arc<CompiledRoute> {
        &self.unrouted
    }
}

// === impl CompiledRoute ===

impl CompiledRoute {
    fn new(route: Route, metrics: &Metrics) -> Self {
        let allow = if route.methods.is_empty() {
            HeaderValue::from_static(ALL_METHODS)
        } else {
            let names = route.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            HeaderValue::try_from(names).unwrap_or(HeaderValue::from_static(ALL_METHODS))
        };
        let metrics = metrics.route(&route.name);
        Self {
            name: route.name,
            paths: route.paths,
            methods: route.methods,
            allow,
            challenges: challenges(&route.plugins),
            max_body: route.max_body,
            chains: Chains::compile(&route.plugins),
            metrics,
        }
    }

    fn unrouted(metrics: &Metrics) -> Self {
        let route = Route {
            name: String::new(),
            paths: Vec::new(),
            methods: Vec::new(),
            max_body: None,
            plugins: Vec::new(),
        };
        Self::new(route, metrics)
    }

    /// Returns whether the route allows a method.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

/// Returns the challenges of all plugins, each one once.
fn challenges(plugins: &[(String, Arc<dyn Plugin>)]) -> Vec<HeaderValue> {
    let mut challenges: Vec<HeaderValue> = Vec::new();
    for challenge in plugins.iter().flat_map(|(_, plugin)| plugin.challenges()) {
        let value = challenge.to_header_value();
        if !challenges.contains(&value) {
            challenges.push(value);
        }
    }
    if challenges.is_empty() {
        challenges.push(HeaderValue::from_static(UNKNOWN_CHALLENGE));
    }
    challenges
}

const ALL_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// For a plugin that refuses callers and declares no challenge, such as a check of the caller's network.
const UNKNOWN_CHALLENGE: &str = r#"Unspecified realm="kyc-gateway""#;

#[cfg(test)]
mod tests {
    use kyc_plugin_api::Challenge;

    use super::*;

    fn route(name: &str, paths: &[&str]) -> Route {
        Route {
            name: name.to_owned(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            methods: Vec::new(),
            max_body: None,
            plugins: Vec::new(),
        }
    }

    #[test]
    fn more_specific_pattern_wins_and_remainders_are_not_decoded() {
        let routes = vec![
            route("onfido", &["/dcs/kyc2/{*path}"]),
            route("webhook", &["/dcs/kyc2/webhook/notify/{name}"]),
        ];
        let table = RouteTable::compile(routes, &Metrics::new().unwrap()).unwrap();

        let found = ["/dcs/kyc2/webhook/notify/a%20b", "/dcs/kyc2/checks/", "/dcs/kyc2/"]
            .map(|path| table.find(path));

        let [webhook, onfido, none] = found;
        let webhook = webhook.unwrap();
        let onfido = onfido.unwrap();
        assert_eq!((webhook.route.name.as_str(), webhook.params.value("name")), ("webhook", Some("a%20b")));
        assert_eq!((onfido.route.name.as_str(), onfido.params.value("path")), ("onfido", Some("checks/")));
        assert!(none.is_none());
    }

    #[test]
    fn path_of_an_unserved_route_matches_no_other_route() {
        let routes = vec![route("onfido", &["/x/{*path}"]), route("webhook", &["/x/notify/{name}"])];
        let table = RouteTable::compile(routes, &Metrics::new().unwrap()).unwrap();

        let part = table.only(&["webhook".to_owned()]).unwrap();
        let unknown = table.only(&["webhook".to_owned(), "web".to_owned()]);

        assert_eq!(part.find("/x/notify/a").unwrap().route.name, "webhook");
        assert!(part.find("/x/checks").is_none());
        let calls = table.only(&["onfido".to_owned()]).unwrap();
        assert_eq!(calls.find("/x/checks").unwrap().route.name, "onfido");
        assert!(
            calls.find("/x/notify/a").is_none(),
            "the path belongs to the other route, which is not served here"
        );
        assert_eq!(unknown.unwrap_err(), ["web"]);
    }

    #[test]
    fn all_invalid_patterns_are_reported() {
        let routes = vec![route("a", &["/x/{y}", "/x/{z}"]), route("b", &["/{*a}/b"]), route("c", &[])];

        let errors = RouteTable::compile(routes, &Metrics::new().unwrap()).unwrap_err();

        let places: Vec<_> = errors.iter().map(|error| (error.route, error.key.as_str())).collect();
        assert_eq!(places, [(0, "paths[1]"), (1, "paths[0]"), (2, "paths")]);
    }

    /// Asks for a bearer token.
    struct Guard;

    #[kyc_plugin_api::plugin]
    impl Plugin for Guard {
        fn challenges(&self) -> Vec<Challenge> {
            vec![Challenge::Bearer]
        }
    }

    #[test]
    fn route_has_each_challenge_once_and_at_least_one() {
        let guard = || ("guard".to_owned(), Arc::new(Guard) as Arc<dyn Plugin>);

        assert_eq!(challenges(&[guard(), guard()]), [r#"Bearer realm="kyc-gateway""#]);
        assert_eq!(challenges(&[]), [UNKNOWN_CHALLENGE]);
    }
}
