use std::fs;

use crate::floors::may_import;
use crate::{Tree, circles};

/// The circles of a crate with these files, as the modules of each.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let tree = Tree::read(&folder.path().join("lib.rs")).unwrap();
    circles(&tree).into_iter().map(|circle| circle.modules.join(" ")).collect()
}

#[test]
fn modules_that_import_each_other_are_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "pub struct B; fn b() { crate::c::c() }"),
        ("c.rs", "pub fn c() { let _: Option<super::a::A> = None; }"),
    ]);

    assert_eq!(found, ["crate::a crate::b crate::c"]);
}

#[test]
fn a_re_export_leads_to_the_module_that_defines_the_item() {
    let found = circles_of(&[
        ("lib.rs", "mod parent; pub use parent::One;"),
        ("parent.rs", "mod one; mod two; pub use one::One; pub(crate) use two::*;"),
        ("parent/one.rs", "use super::Two; pub struct One(Two);"),
        ("parent/two.rs", "pub struct Two;"),
    ]);

    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_child_that_uses_what_its_parent_defines_is_a_circle_when_the_parent_uses_the_child() {
    let child = ("parent/child.rs", "use super::Unit; pub struct Child(Unit);");
    let using =
        [("lib.rs", "mod parent;"), ("parent.rs", "mod child; pub use child::Child; pub struct Unit;")];
    let declaring = [("lib.rs", "mod parent;"), ("parent.rs", "mod child; pub struct Unit;")];

    assert_eq!(circles_of(&[using[0], using[1], child]), ["crate::parent crate::parent::child"]);
    assert_eq!(circles_of(&[declaring[0], declaring[1], child]), Vec::<String>::new());
}

#[test]
fn paths_in_macros_and_attributes_are_imports() {
    let in_macro = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub fn a() { println!(\"{}\", crate::b::B) }"),
        ("b.rs", "pub const B: u8 = 1; fn b() { crate::a::a() }"),
    ]);
    let in_attribute = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "#[derive(Deserialize)] pub struct A { #[serde(with = \"crate::b\")] a: u8 }"),
        ("b.rs", "pub fn b(_: crate::a::A) {}"),
    ]);

    assert_eq!(in_macro, ["crate::a crate::b"]);
    assert_eq!(in_attribute, ["crate::a crate::b"]);
}

#[test]
fn what_is_for_tests_alone_is_left_out() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; fn t() { super::super::b::b() } }"),
        ("b.rs", "pub struct B(crate::a::A); pub fn b() {}"),
    ]);

    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn names_of_other_crates_and_local_names_are_no_imports() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use std::fmt; pub fn a(b: u8) -> u8 { let _ = fmt::Error; b }"),
        ("b.rs", "use super::a; pub fn b() -> u8 { a::a(1) }"),
    ]);

    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_crate_imports_lower_floors_only() {
    assert!(may_import("gateway/proxy", "gateway/plugin-api"));
    assert!(may_import("plugins/onfido", "gateway/model"));
    assert!(may_import("gateway/server", "plugins/onfido"));
    assert!(!may_import("gateway/model", "gateway/http-client"));
    assert!(!may_import("plugins/onfido", "plugins/webhook"));
    assert!(!may_import("plugins/rate-limit", "gateway/events"));
    assert!(!may_import("gateway/new", "gateway/model"));
}
