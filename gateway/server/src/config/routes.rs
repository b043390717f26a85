//! Checks the routes and builds their plugins.

use std::sync::Arc;

use http::Method;
use kyc_admin::DescribedRoute;
use kyc_plugin_api::{Build, Plugin, Role};
use kyc_proxy::{Route, RouteTable};
use toml::{Table, Value};

use super::binding;
use super::folder::Folder;
use super::offers::Offers;
use super::order;
use super::raw::RawRoute;
use super::reach::Reach;
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;

/// Checks the routes, builds their plugins and compiles the table.
pub(crate) fn check(
    raw: Vec<RawRoute>,
    folder: &Folder,
    registry: &Registry,
    build_context: &BuildContext,
    reach: &dyn Fn(&str) -> Reach,
    problems: &mut Problems,
) -> Option<(RouteTable, Offers)> {
    if raw.is_empty() {
        problems.add("routes", "must hold at least one route");
    }
    let mut names: Vec<String> = Vec::new();
    let mut routes = Vec::with_capacity(raw.len());
    let mut offers = Offers::default();
    for (place, route) in raw.into_iter().enumerate() {
        let path = format!("routes[{place}]");
        if route.name.is_empty() {
            problems.add(format!("{path}.name"), "must not be empty");
        }
        if names.contains(&route.name) {
            problems.add(format!("{path}.name"), format!("`{}` is taken by another route", route.name));
        }
        names.push(route.name.clone());
        for (place, _) in route.paths.iter().enumerate().filter(|(_, pattern)| !pattern.starts_with('/')) {
            problems.add(format!("{path}.paths[{place}]"), "must begin with `/`, or it matches nothing");
        }
        let methods = methods(&route.methods, &path, problems);
        let plugins = plugins(&route, &path, folder, registry, build_context, problems);
        // A plugin that could not be built is reported already. The checks below would report wrong problems without it: it may
        // be the one that authenticates callers.
        let is_complete = plugins.len() == route.plugins.len();
        let reach = reach(&route.name);
        if is_complete {
            order::check(&route, &path, &plugins, &reach, problems);
            binding::record(&route, &path, &plugins, &reach, &mut offers.bindings, problems);
        }
        if !route.open && reach.is_public && is_complete && is_unguarded(&plugins) {
            problems.add(
                format!("{path}.plugins"),
                format!(
                    "route `{}` attaches tenants' credentials to requests of anyone who can reach a listener: put \
                     `caller-auth` first, listen at a loopback address, or set `open = true` if a proxy in front \
                     authenticates callers",
                    route.name
                ),
            );
        }
        offers.backgrounds.extend(plugins.iter().filter_map(|(_, plugin)| plugin.background()));
        offers.private_headers.extend(plugins.iter().flat_map(|(_, plugin)| plugin.private_headers()));
        add_admin_pages(&plugins, &path, &mut offers, problems);
        offers.described.extend(route.paths.first().map(|pattern| DescribedRoute {
            pattern: pattern.clone(),
            methods: methods.clone(),
            plugins: plugins.iter().map(|(_, plugin)| Arc::clone(plugin)).collect(),
        }));
        let max_body = route.max_body.map(|size| size.as_u64());
        routes.push(Route { methods, max_body, plugins, name: route.name, paths: route.paths });
    }
    match RouteTable::compile(routes, &build_context.metrics) {
        Ok(table) => Some((table, offers)),
        Err(errors) => {
            for error in errors {
                problems.add(format!("routes[{}].{}", error.route, error.key), error.reason);
            }
            None
        }
    }
}

/// Adds the plugins' admin pages, and refuses duplicate names. The name is the page's path, and it selects the roles that may open
/// the page: a plugin's page with the name of a gateway page would get that page's roles.
fn add_admin_pages(
    plugins: &[(String, Arc<dyn Plugin>)],
    path: &str,
    offers: &mut Offers,
    problems: &mut Problems,
) {
    for (kind, plugin) in plugins {
        let Some(pages) = plugin.admin_pages() else { continue };
        let name = pages.name();
        if kyc_admin::OWN_PAGES.contains(&name) || offers.operations.iter().any(|other| other.name() == name)
        {
            problems.add(
                format!("{path}.plugins"),
                format!(
                    "`{kind}` adds the admin page /{name}, which exists already: each page needs a name of its own"
                ),
            );
            continue;
        }
        offers.operations.push(pages);
    }
}

/// Returns whether a plugin attaches a credential before any plugin has authenticated the caller.
fn is_unguarded(plugins: &[(String, Arc<dyn Plugin>)]) -> bool {
    let mut roles = plugins.iter().map(|(_, plugin)| plugin.role());
    let first = roles.find(|role| {
        matches!(role, Role::ChecksCallers | Role::IdentifiesCallers | Role::AttachesCredentials)
    });
    first == Some(Role::AttachesCredentials)
}

/// Describes a route as `name: paths -> plugins`, for the summary of `check`.
pub(crate) fn describe(route: &RawRoute) -> String {
    let kinds: Vec<&str> =
        route.plugins.iter().filter_map(|plugin| plugin.get("plugin").and_then(Value::as_str)).collect();
    format!("{}: {} -> {}", route.name, route.paths.join(", "), kinds.join(", "))
}

fn methods(raw: &[String], path: &str, problems: &mut Problems) -> Vec<Method> {
    let mut methods = Vec::with_capacity(raw.len());
    for (place, name) in raw.iter().enumerate() {
        match name.parse::<Method>() {
            Ok(method) if KNOWN_METHODS.contains(&method) => methods.push(method),
            Ok(_) | Err(_) => problems.add(
                format!("{path}.methods[{place}]"),
                format!("`{name}` is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            ),
        }
    }
    methods
}

fn plugins(
    route: &RawRoute,
    path: &str,
    folder: &Folder,
    registry: &Registry,
    build_context: &BuildContext,
    problems: &mut Problems,
) -> Vec<(String, Arc<dyn Plugin>)> {
    let BuildContext { metrics, services, warnings, .. } = build_context;
    let build = Build {
        route: &route.name,
        any_tenant: route.any_tenant,
        folder: folder.path(),
        metrics: metrics.registry(),
        warnings,
        services,
    };
    let mut built = Vec::with_capacity(route.plugins.len());
    for (place, settings) in route.plugins.iter().enumerate() {
        let path = format!("{path}.plugins[{place}]");
        let mut settings: Table = settings.clone();
        let Some(Value::String(kind)) = settings.remove("plugin") else {
            problems.add(format!("{path}.plugin"), "must name a kind of plugin");
            continue;
        };
        let Some(factory) = registry.find(&kind) else {
            let known = registry.kinds().join(", ");
            problems
                .add(format!("{path}.plugin"), format!("`{kind}` is not a plugin; known plugins: {known}"));
            continue;
        };
        if let Some(plugin) = factory.build(settings, &build, &path, problems) {
            built.push((kind, plugin));
        }
    }
    built
}

const KNOWN_METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
