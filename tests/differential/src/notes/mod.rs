//! Why the gateway does what it does, where it differs from its peers.

mod frames;
mod note;
mod requests;
mod responses;

use crate::case::Case;
use note::Note;

/// The notes about a case of the list, each once.
pub(crate) fn of(cases: &[Case]) -> Vec<&'static Note> {
    let is_about = |note: &&Note| note.0.iter().any(|name| cases.iter().any(|case| case.name == *name));
    all().filter(is_about).collect()
}

fn all() -> impl Iterator<Item = &'static Note> {
    responses::NOTES.iter().chain(requests::NOTES).chain(frames::NOTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::groups;
    use crate::contender::Contender;
    use crate::record::Record;
    use crate::run::exchange_name;

    fn cases() -> Vec<Case> {
        groups().into_iter().flat_map(|group| group.cases).collect()
    }

    #[test]
    fn every_note_is_about_cases() {
        let cases = cases();

        let names = all().flat_map(|(names, _)| names.iter());
        let unknown: Vec<_> = names.filter(|name| cases.iter().all(|case| case.name != **name)).collect();

        assert_eq!(unknown, Vec::<&&str>::new());
    }

    /// HAProxy sends the caller's version to the upstream, so it always differs in HTTP/1.0.
    #[test]
    fn differences_from_both_peers_have_notes() {
        let record = Record::read();
        let differs = |case: &Case| {
            case.versions.iter().filter(|version| **version != crate::case::Version::Http10).any(|version| {
                let name = exchange_name(case, *version);
                let [gateway, nginx, haproxy] =
                    Contender::ALL.map(|contender| record.outcome(&name, contender));
                nginx.is_some() && gateway != nginx && gateway != haproxy
            })
        };

        let has_note = |case: &Case| all().any(|(names, _)| names.contains(&case.name));
        let without: Vec<_> = cases()
            .into_iter()
            .filter(|case| differs(case) && !has_note(case))
            .map(|case| case.name)
            .collect();

        assert_eq!(without, Vec::<&str>::new());
    }

    #[test]
    fn names_of_cases_differ() {
        let mut names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();

        assert_eq!(names.len(), count);
    }
}
