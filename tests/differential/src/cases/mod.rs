//! The cases, by subject.

mod bodiless;
mod connections;
mod ends;
mod fields;
mod frames;
mod framing;
mod interim;
mod requests;
mod responses;
mod uploads;

use crate::case::Group;

/// All cases, in the order of the page.
pub fn groups() -> Vec<Group> {
    vec![
        interim::group(),
        bodiless::group(),
        framing::group(),
        responses::group(),
        ends::group(),
        uploads::group(),
        connections::group(),
        fields::group(),
        requests::framing(),
        requests::targets(),
        requests::heads(),
        frames::group(),
    ]
}
