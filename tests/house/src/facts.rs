//! What one file says: items, imports, paths, and which lines are for tests alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, File, ImplItem, Item, Meta, TraitItem, UseTree};

/// A path, without generic arguments.
pub(crate) type Segments = Vec<String>;

/// What stands in one module.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Names of items that are defined here.
    pub(crate) items: BTreeSet<String>,
    /// Names that `use` brings, with the paths that they stand for.
    pub(crate) imports: BTreeMap<String, Segments>,
    /// Paths of `use …::*`.
    pub(crate) globs: Vec<Segments>,
    /// Every path that stands here, those of `use` too.
    pub(crate) paths: BTreeSet<Segments>,
    /// Lines of items that are compiled for tests alone.
    pub(crate) tests: Vec<RangeInclusive<usize>>,
    pub(crate) children: Vec<(String, Child)>,
}

/// A child module.
#[derive(Debug)]
pub(crate) enum Child {
    Inline(Facts),
    /// With the text of `#[path]`.
    File(Option<String>),
}

// === impl Facts ===

impl Facts {
    /// What a file says, without the files of its children.
    pub(crate) fn of(file: &File) -> Self {
        let mut reader = Reader::default();
        reader.items(&file.items);
        reader.facts
    }
}

#[derive(Default)]
struct Reader {
    facts: Facts,
}

// === impl Reader ===

impl Reader {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            if !is_for_tests(attributes(item))
                && let Some(name) = name(item)
            {
                self.facts.items.insert(name);
            }
            self.visit_item(item);
        }
    }

    /// Notes the lines of something that is for tests alone; `false` for everything else.
    fn leave_out(&mut self, attributes: &[Attribute], whole: &impl Spanned) -> bool {
        if !is_for_tests(attributes) {
            return false;
        }
        let span = whole.span();
        self.facts.tests.push(span.start().line..=span.end().line);
        true
    }

    fn path(&mut self, segments: Segments) {
        self.facts.paths.insert(segments);
    }

    fn use_tree(&mut self, prefix: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| -> Segments {
            let mut path = prefix.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            UseTree::Path(path) => self.use_tree(&with(&path.ident), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(prefix, tree)),
            UseTree::Glob(_) => self.facts.globs.push(prefix.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                let path = prefix.to_vec();
                self.import(prefix.last().cloned().unwrap_or_default(), path);
            }
            UseTree::Name(name) => self.import(name.ident.to_string(), with(&name.ident)),
            UseTree::Rename(rename) if rename.ident == "self" => {
                self.import(rename.rename.to_string(), prefix.to_vec());
            }
            UseTree::Rename(rename) => self.import(rename.rename.to_string(), with(&rename.ident)),
        }
    }

    fn import(&mut self, name: String, path: Segments) {
        self.path(path.clone());
        self.facts.imports.insert(name, path);
    }

    /// Paths of two and more names among the arguments of a macro or an attribute.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut current: Segments = Vec::new();
        let mut colons = 0;
        let mut after_other_path = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && !current.is_empty() => {
                    current.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Ident(ident) => {
                    self.finish(&mut current);
                    after_other_path = after_other_path || colons == 2;
                    if !after_other_path {
                        current.push(ident.to_string());
                    }
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(punct) => {
                    self.finish(&mut current);
                    colons = 0;
                    after_other_path = punct.as_char() == '.';
                    continue;
                }
                TokenTree::Group(group) => {
                    self.finish(&mut current);
                    colons = 0;
                    self.tokens(group.stream());
                }
                TokenTree::Literal(literal) => {
                    self.finish(&mut current);
                    colons = 0;
                    self.literal(&literal.to_string());
                }
            }
            after_other_path = false;
        }
        self.finish(&mut current);
    }

    fn finish(&mut self, current: &mut Segments) {
        let path = std::mem::take(current);
        if path.len() > 1 {
            self.path(path);
        }
    }

    /// `#[serde(with = "crate::duration")]` names a path by a text.
    fn literal(&mut self, text: &str) {
        let text = text.trim_matches('"');
        let is_path = ["crate::", "super::", "self::"].iter().any(|start| text.starts_with(start));
        if is_path && text.chars().all(|char| char.is_alphanumeric() || ":_".contains(char)) {
            // The path names a function or a module whose functions are called: either is used.
            let path: Segments = text.split("::").map(str::to_owned).collect();
            let mut of_module = path.clone();
            of_module.push("*".to_owned());
            self.path(path);
            self.path(of_module);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !self.leave_out(attributes(item), item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !self.leave_out(attributes, item) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes: &[Attribute] = if let TraitItem::Fn(item) = item { &item.attrs } else { &[] };
        if !self.leave_out(attributes, item) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let child = match &item.content {
            None => Child::File(item.attrs.iter().find_map(explicit_path)),
            Some((_, items)) => {
                let above = std::mem::take(&mut self.facts);
                self.items(items);
                Child::Inline(std::mem::replace(&mut self.facts, above))
            }
        };
        self.facts.children.push((item.ident.to_string(), child));
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.use_tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.path(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }

    /// `pub(in crate::x)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// Whether something is compiled for tests alone.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test")
        }
        _ => false,
    })
}

fn explicit_path(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(syn::MetaNameValue {
            path,
            value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }),
            ..
        }) if path.is_ident("path") => Some(text.value()),
        _ => None,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The name that an item defines.
fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
