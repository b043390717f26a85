//! The kinds of plugin that a configuration may name.

use std::marker::PhantomData;
use std::sync::Arc;

use kyc_plugin_api::{Build, Factory, Plugin};
use toml::{Table, Value};

use crate::decoding::{Problems, decode};

/// A list of factories, in the order they were added.
#[derive(Default)]
pub(crate) struct Registry(Vec<Box<dyn AnyFactory>>);

/// A factory whose types are erased.
pub(crate) trait AnyFactory: Send + Sync {
    fn kind(&self) -> &'static str;

    /// Decodes the settings and builds the plugin, or notes every problem under `path`.
    fn build(
        &self,
        settings: Table,
        build: &Build<'_>,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Arc<dyn Plugin>>;
}

struct Erased<F>(PhantomData<fn() -> F>);

// === impl Registry ===

impl Registry {
    /// Adds a kind; of two factories with one kind the first is found.
    pub(crate) fn add<F: Factory>(&mut self) {
        self.0.push(Box::new(Erased::<F>(PhantomData)));
    }

    pub(crate) fn find(&self, kind: &str) -> Option<&dyn AnyFactory> {
        self.0.iter().find(|factory| factory.kind() == kind).map(AsRef::as_ref)
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.0.iter().map(|factory| factory.kind()).collect()
    }

    /// A kind that was added twice.
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

    fn build(
        &self,
        settings: Table,
        build: &Build<'_>,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Arc<dyn Plugin>> {
        let before = problems.len();
        let config = decode::<F::Config>(Value::Table(settings), path, problems)?;
        // With keys taken out, what the factory would say is about another configuration.
        if problems.len() > before {
            return None;
        }
        match F::build(config, build) {
            Ok(plugin) => Some(Arc::new(plugin)),
            Err(reason) => {
                for reason in reason.split("; ") {
                    match reason.split_once(": ") {
                        Some((key, reason)) if is_key(key) => problems.add(format!("{path}.{key}"), reason),
                        Some(_) | None => problems.add(path, reason),
                    }
                }
                None
            }
        }
    }
}

/// Factories say `key: reason` where one key is to blame, several joined by `; `.
fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.[]".contains(c))
}

#[cfg(test)]
mod tests {
    use kyc_plugin_subscription::Subscription;

    use crate::plugins;

    #[test]
    fn built_in_kinds_are_distinct() {
        assert_eq!(plugins::built_in().duplicate(), None);
    }

    #[test]
    fn kind_that_is_taken_is_found() {
        let mut registry = plugins::built_in();

        registry.add::<Subscription>();

        assert_eq!(registry.duplicate(), Some("subscription"));
    }
}
