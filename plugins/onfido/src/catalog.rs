//! Finds the operations of Onfido's description that a request may be for, however it is spelled.
//!
//! A spelling that Onfido might see through counts as the operation itself: percent escapes, the case of letters, empty
//! segments, `.`, parameters after `;`, blanks, versions in front, and anything behind a word that is no part of a word,
//! such as `.json`. Where a segment may or may not count (`%20`, `.json`), the request needs leave for both readings.
//!
//! What the description does not have belongs to the group of its first segment, and needs leave for all of that group:
//! it may be one of the group's operations under another name.

use std::borrow::Cow;

use http::Method;
use kyc_model::{API_OPERATIONS, OperationSet, TOKENS};
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use crate::version::is_version;

/// The description, ready to be searched.
#[derive(Debug)]
pub(crate) struct Catalog(Vec<Group>);

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What must be allowed.
    pub(crate) needs: OperationSet,
    /// The `operationId`, `tokens`, or `unlisted`.
    pub(crate) id: &'static str,
    /// The group, or `none`.
    pub(crate) group: &'static str,
}

/// The operations whose paths begin with the same segment.
#[derive(Debug)]
struct Group {
    name: &'static str,
    segment: &'static str,
    all: OperationSet,
    templates: Vec<Template>,
}

#[derive(Debug)]
struct Template {
    id: &'static str,
    method: &'static str,
    /// Behind the group's own; `None` is a placeholder.
    segments: Vec<Option<&'static str>>,
    needs: OperationSet,
}

/// Decoded segments; most paths need no memory for them.
type Segments<'a> = SmallVec<[Cow<'a, str>; 8]>;

// === impl Catalog ===

impl Catalog {
    pub(crate) fn new() -> Self {
        let tokens =
            Group { name: TOKENS, segment: "oauth", all: OperationSet::TOKENS, templates: Vec::new() };
        let mut groups = vec![tokens];
        for operation in &API_OPERATIONS {
            let name = operation.group();
            let template = Template {
                id: operation.id,
                method: operation.method,
                segments: operation.path.split('/').skip(2).map(literal).collect(),
                needs: OperationSet::of(|other| other.id == operation.id),
            };
            // Both they and the list are in the order of their paths.
            match groups.last_mut().filter(|group| group.name == name) {
                Some(group) => group.templates.push(template),
                None => groups.push(Group {
                    name,
                    segment: name,
                    all: OperationSet::of(|other| other.group() == name),
                    templates: vec![template],
                }),
            }
        }
        Self(groups)
    }

    /// Finds what a method is for on a path, which may come in two parts.
    pub(crate) fn find(&self, method: &Method, path: [&str; 2]) -> Found {
        let segments = path.into_iter().flat_map(|part| part.split('/')).map(decode);
        let segments: Segments<'_> =
            segments.filter(|segment| !matches!(segment.as_ref(), "" | ".")).collect();
        let method = if method.as_str().eq_ignore_ascii_case("HEAD") { "GET" } else { method.as_str() };
        let found = self.read(method, &segments);
        if !segments.iter().any(|segment| is_doubtful(segment)) {
            return found;
        }
        let certain: Segments<'_> =
            segments.iter().filter(|segment| !is_doubtful(segment)).cloned().collect();
        let other = self.read(method, &certain);
        Found { needs: found.needs.union(other.needs), ..other }
    }

    fn read(&self, method: &str, segments: &[Cow<'_, str>]) -> Found {
        let versions = segments.iter().take_while(|segment| is_version(core(segment))).count();
        let mut segments = segments.iter().skip(versions).map(|segment| core(segment));
        let group = segments
            .next()
            .and_then(|first| self.0.iter().find(|group| is_spelling_of(group.segment, first)));
        let Some(group) = group else {
            return Found { needs: OperationSet::UNLISTED, id: UNLISTED, group: "none" };
        };
        if group.templates.is_empty() {
            return Found { needs: group.all, id: group.name, group: group.name };
        }
        let fitting = group.templates.iter().filter(|template| {
            template.method.eq_ignore_ascii_case(method) && template.fits(segments.clone())
        });
        let found = fitting.fold(None, |found: Option<Found>, template| {
            let needs = found.map_or(OperationSet::NONE, |found| found.needs).union(template.needs);
            Some(Found { needs, id: template.id, group: group.name })
        });
        let unlisted =
            || Found { needs: group.all.union(OperationSet::UNLISTED), id: UNLISTED, group: group.name };
        found.unwrap_or_else(unlisted)
    }
}

// === impl Template ===

impl Template {
    fn fits<'a>(&self, mut segments: impl Iterator<Item = &'a str>) -> bool {
        let fit = self.segments.iter().all(|expected| match (expected, segments.next()) {
            (Some(word), Some(segment)) => is_spelling_of(word, segment),
            (None, Some(_)) => true,
            (Some(_) | None, None) => false,
        });
        fit && segments.next().is_none()
    }
}

fn literal(segment: &'static str) -> Option<&'static str> {
    (!segment.starts_with('{')).then_some(segment)
}

fn decode(segment: &str) -> Cow<'_, str> {
    if segment.contains('%') {
        percent_decode_str(segment).decode_utf8_lossy()
    } else {
        Cow::Borrowed(segment)
    }
}

/// A decoded segment without parameters and blanks; some servers take `+` for one.
fn core(segment: &str) -> &str {
    let end = segment.find(';').unwrap_or(segment.len());
    segment
        .get(..end)
        .unwrap_or_default()
        .trim_matches(|letter: char| letter.is_whitespace() || letter == '+')
}

/// Says whether a server may take the segment for nothing, or for an ending of the one before.
fn is_doubtful(segment: &str) -> bool {
    let core = core(segment);
    core.is_empty() || core.starts_with('.')
}

/// Says whether a segment is `word`, in any case, or that with something behind it that is no part of a word.
fn is_spelling_of(word: &str, segment: &str) -> bool {
    let (segment, word) = (segment.as_bytes(), word.as_bytes());
    segment.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
        && segment.get(word.len()).is_none_or(|next| !(next.is_ascii_alphanumeric() || b"_-".contains(next)))
}

/// What the description does not have.
pub(crate) const UNLISTED: &str = "unlisted";

#[cfg(test)]
mod tests;
