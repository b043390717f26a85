//! The registry of plugin kinds, which a route selects with `plugin = "…"`.

use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;

use kyc_plugin_api::{Build, Factory, Plugin};
use toml::{Table, Value};

use crate::decoding::{Problems, decode};

/// The factories in the order in which they were added.
#[derive(Default)]
pub(crate) struct Registry(Vec<Box<dyn AnyFactory>>);

/// A factory with its types erased, so that factories of different plugins fit in one list.
pub(crate) trait AnyFactory: Send + Sync {
    fn kind(&self) -> &'static str;

    /// The Rust name of the crate that defines the factory.
    fn crate_name(&self) -> &'static str;

    /// Decodes the settings and builds the plugin. Returns `None` after adding every problem, with a path below `path`.
    fn build(
        &self,
        settings: Table,
        build: &Build<'_>,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Arc<dyn Plugin>>;
}

// `fn() -> F` is `Send` and `Sync` for every `F`; no value of `F` exists here.
struct Erased<F>(PhantomData<fn() -> F>);

// === impl Registry ===

impl Registry {
    /// Adds a kind. If two factories have the same kind, [`find`](Self::find) returns the first.
    pub(crate) fn add<F: Factory>(&mut self) {
        self.0.push(Box::new(Erased::<F>(PhantomData)));
    }

    pub(crate) fn find(&self, kind: &str) -> Option<&dyn AnyFactory> {
        self.0.iter().find(|factory| factory.kind() == kind).map(AsRef::as_ref)
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.0.iter().map(|factory| factory.kind()).collect()
    }

    /// Returns the crates that define the plugins, which log at the configured level.
    pub(crate) fn crates(&self) -> Vec<String> {
        self.0.iter().map(|factory| factory.crate_name().to_owned()).collect()
    }

    /// Returns a kind that was added twice, if any.
    pub(crate) fn duplicate(&self) -> Option<&'static str> {
        let kinds = self.kinds();
        kinds
            .iter()
            .enumerate()
            .find_map(|(place, kind)| kinds.iter().take(place).any(|other| other == kind).then_some(*kind))
    }
}

// === impl Erased ===

impl<F: Factory> AnyFactory for Erased<F> {
    fn kind(&self) -> &'static str {
        F::KIND
    }

    fn crate_name(&self) -> &'static str {
        let path = type_name::<F>();
        path.split_once("::").map_or(path, |(name, _)| name)
    }

    fn build(
        &self,
        mut settings: Table,
        build: &Build<'_>,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Arc<dyn Plugin>> {
        let before = problems.len();
        refuse_moved(F::MOVED, &mut settings, path, problems);
        let config = decode::<F::Config>(Value::Table(settings), path, problems)?;
        // Keys were removed, so problems that the factory finds would not match the file.
        if problems.len() > before {
            return None;
        }
        match F::build(config, build) {
            Ok(plugin) => Some(Arc::new(plugin)),
            Err(errors) => {
                // Without a reason the problem list would be empty, and the plugin would silently be missing from the route.
                if errors.is_empty() {
                    problems.add(path, "is refused by the plugin, which gives no reason");
                }
                for error in errors.below(path) {
                    problems.add(error.path(), error.reason());
                }
                None
            }
        }
    }
}

/// Removes keys of earlier releases, and reports their new paths.
fn refuse_moved(moved: &[(&str, &str)], settings: &mut Table, path: &str, problems: &mut Problems) {
    for (key, place) in moved {
        let keys: Vec<String> = match settings.remove(*key) {
            None => continue,
            Some(Value::Table(section)) => section.keys().cloned().collect(),
            Some(_) => Vec::new(),
        };
        if keys.is_empty() {
            problems.add(format!("{path}.{key}"), format!("has moved to `{place}`"));
        }
        for own in keys {
            problems.add(format!("{path}.{key}.{own}"), format!("has moved to `{place}.{own}`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kyc_plugin_api::{ConfigErrors, plugin, testkit};
    use kyc_plugin_subscription::Subscription;

    use super::*;
    use crate::plugins::built_in::built_in;

    /// Refuses its settings, whatever they are.
    struct Refuses;

    impl Factory for Refuses {
        const KIND: &'static str = "refuses";
        type Config = Table;
        type Plugin = Self;

        fn build(config: Table, _: &Build<'_>) -> Result<Self, ConfigErrors> {
            let mut errors = ConfigErrors::default();
            for (key, reason) in config {
                errors.add(key, reason.as_str().unwrap());
            }
            Err(errors)
        }
    }

    #[plugin]
    impl Plugin for Refuses {}

    fn refused(settings: &str) -> String {
        let mut problems = Problems::new(Path::new("test.toml"));
        let mut registry = Registry::default();
        registry.add::<Refuses>();
        let factory = registry.find("refuses").unwrap();
        let settings = toml::from_str(settings).unwrap();
        let built = testkit::with_build(|build| factory.build(settings, build, "plugins[1]", &mut problems));
        assert!(built.is_none());
        problems.to_string()
    }

    #[test]
    fn problems_of_a_plugin_are_reported_by_path_and_reason() {
        assert_eq!(
            refused(
                "a = 'is wrong: x; and y: z'
b = 'is wrong'"
            ),
            "test.toml: plugins[1].a: is wrong: x; and y: z\ntest.toml: plugins[1].b: is wrong"
        );
    }

    #[test]
    fn plugin_error_without_a_reason_is_reported() {
        assert_eq!(refused(""), "test.toml: plugins[1]: is refused by the plugin, which gives no reason");
    }

    #[test]
    fn built_in_kinds_are_distinct() {
        assert_eq!(built_in().duplicate(), None);
    }

    #[test]
    fn crates_of_plugins_are_found_by_their_factories() {
        let mut registry = Registry::default();
        registry.add::<Subscription>();
        registry.add::<Refuses>();

        assert_eq!(registry.crates(), ["kyc_plugin_subscription", "kyc_gateway"]);
    }

    #[test]
    fn duplicate_kind_is_found() {
        let mut registry = built_in();

        registry.add::<Subscription>();

        assert_eq!(registry.duplicate(), Some("subscription"));
    }
}
