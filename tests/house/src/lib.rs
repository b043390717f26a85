//! Measures the workspace: which crate imports which, on which floor each stands, how many lines each has, and
//! which modules of a crate import each other in a circle.
//!
//! - A *room* is a crate. Its *floor* is in [`floors`], the only table of floors.
//! - An *import* between rooms is a normal dependency in the manifest; dev-dependencies are left out, because tests
//!   may use what stands above.
//! - The nodes of a crate's graph are its files. An inline module belongs to its file.
//! - An import between modules is a path (`use`, or inline in code, in a macro's arguments or in an attribute) that
//!   leads to another file of the crate. It is followed through re-exports to the file that defines the item: a child
//!   that uses `super::X`, where the parent has `pub use other::X`, imports `other` and not the parent. Otherwise
//!   each parent that re-exports what its children define would be a circle.
//! - `mod child;` alone is no import, `pub use child::X` is one of the child by the parent.
//! - What is compiled for tests alone (`#[cfg(test)]`) is left out.

mod circles;
mod crates;
mod facts;
mod files;
pub mod floors;
mod inside;
mod layout;
mod manifest;
mod picture;
mod resolve;
#[cfg(test)]
mod tests;
mod text;
mod tree;

pub use circles::{Circle, circles};
pub use crates::{House, Import, Room, SourceFile};
pub use files::{Unreadable, sources};
pub use inside::Inside;
pub use picture::{picture, picture_of_room};
pub use text::{report, report_of_room};
pub use tree::{Module, Tree};
