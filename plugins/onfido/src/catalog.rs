//! Finds the operations of Onfido's API description (OpenAPI) that a request matches, in any spelling of its path.
//!
//! The policy decides by operation, so a path that Onfido may normalise to an operation must count as that operation.
//! Otherwise a caller could bypass the policy with another spelling. These differences are ignored: percent-encoding, the
//! case of letters, empty segments, `.` segments, parameters after `;`, blanks, leading version segments, and a suffix that
//! begins with a character that is not part of a word, such as `.json`. A server may also ignore a whole segment such as
//! `%20` or `.json`; then the policy must allow both readings.
//!
//! A path that the description does not contain belongs to the group of its first segment. The policy must allow all
//! operations of that group, because the path may be another name of any of them.

use std::borrow::Cow;

use http::Method;
use kyc_model::{API_OPERATIONS, OperationSet, TOKENS};
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use crate::version::is_version;

/// The operations of the description, indexed by group.
#[derive(Debug)]
pub(crate) struct Catalog(Vec<Group>);

/// The operations that a request matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The operations that the policy must allow.
    pub(crate) needs: OperationSet,
    /// The `operationId`, `tokens`, or `unlisted`; a label of metrics.
    pub(crate) id: &'static str,
    /// The group, or `none`.
    pub(crate) group: &'static str,
    /// The place of the operation in the description; `None` for `tokens` and `unlisted`.
    pub(crate) index: Option<usize>,
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
    index: usize,
    id: &'static str,
    method: &'static str,
    /// The segments after the group's; `None` is a placeholder.
    segments: Vec<Option<&'static str>>,
    needs: OperationSet,
}

/// Percent-decoded segments. Most paths have at most eight, which need no heap allocation.
type Segments<'a> = SmallVec<[Cow<'a, str>; 8]>;

// === impl Catalog ===

impl Catalog {
    /// Builds the catalog from the compiled-in list of operations.
    pub(crate) fn new() -> Self {
        let tokens =
            Group { name: TOKENS, segment: "oauth", all: OperationSet::TOKENS, templates: Vec::new() };
        let mut groups = vec![tokens];
        for (index, operation) in API_OPERATIONS.iter().enumerate() {
            let name = operation.group();
            let template = Template {
                index,
                id: operation.id,
                method: operation.method,
                segments: operation.path.split('/').skip(2).map(literal).collect(),
                needs: OperationSet::of(|other| other.id == operation.id),
            };
            // The list is sorted by path, so the operations of one group are adjacent.
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

    /// Finds the operations that a method and a path match. The path comes in two parts: the one of an alias, and the
    /// caller's.
    pub(crate) fn find(&self, method: &Method, path: [&str; 2]) -> Found {
        let segments = path.into_iter().flat_map(|part| part.split('/')).map(decode);
        let segments: Segments<'_> =
            segments.filter(|segment| !matches!(segment.as_ref(), "" | ".")).collect();
        // HEAD returns the header of GET's response (RFC 9110 §9.3.2), so it needs the same permission.
        let method = if method.as_str().eq_ignore_ascii_case("HEAD") { "GET" } else { method.as_str() };
        let found = self.match_segments(method, &segments);
        if !segments.iter().any(|segment| is_ambiguous(segment)) {
            return found;
        }
        let certain: Segments<'_> =
            segments.iter().filter(|segment| !is_ambiguous(segment)).cloned().collect();
        let other = self.match_segments(method, &certain);
        Found { needs: found.needs.union(other.needs), ..other }
    }

    fn match_segments(&self, method: &str, segments: &[Cow<'_, str>]) -> Found {
        let versions = segments.iter().take_while(|segment| is_version(strip_parameters(segment))).count();
        let mut segments = segments.iter().skip(versions).map(|segment| strip_parameters(segment));
        let group = segments
            .next()
            .and_then(|first| self.0.iter().find(|group| is_spelling_of(group.segment, first)));
        let Some(group) = group else {
            return Found { needs: OperationSet::UNLISTED, id: UNLISTED, group: "none", index: None };
        };
        // Only the group `tokens` has no templates: every path below `/oauth` can return a token.
        if group.templates.is_empty() {
            return Found { needs: group.all, id: group.name, group: group.name, index: None };
        }
        let matching = group.templates.iter().filter(|template| {
            template.method.eq_ignore_ascii_case(method) && template.matches(segments.clone())
        });
        // Several templates can match, such as one with a placeholder and one with a word. All of them must be allowed.
        let found = matching.fold(None, |found: Option<Found>, template| {
            let needs = found.map_or(OperationSet::NONE, |found| found.needs).union(template.needs);
            Some(Found { needs, id: template.id, group: group.name, index: Some(template.index) })
        });
        let unlisted = || Found {
            needs: group.all.union(OperationSet::UNLISTED),
            id: UNLISTED,
            group: group.name,
            index: None,
        };
        found.unwrap_or_else(unlisted)
    }
}

// === impl Template ===

impl Template {
    fn matches<'a>(&self, mut segments: impl Iterator<Item = &'a str>) -> bool {
        let all_match = self.segments.iter().all(|expected| match (expected, segments.next()) {
            (Some(word), Some(segment)) => is_spelling_of(word, segment),
            (None, Some(_)) => true,
            (Some(_) | None, None) => false,
        });
        all_match && segments.next().is_none()
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

/// Returns a decoded segment without parameters and surrounding blanks. `+` is a blank too, because some servers decode it
/// as one.
fn strip_parameters(segment: &str) -> &str {
    let end = segment.find(';').unwrap_or(segment.len());
    segment
        .get(..end)
        .unwrap_or_default()
        .trim_matches(|letter: char| letter.is_whitespace() || letter == '+')
}

/// Returns whether a server may ignore the segment, or read it as a suffix of the segment before.
fn is_ambiguous(segment: &str) -> bool {
    let stripped = strip_parameters(segment);
    stripped.is_empty() || stripped.starts_with('.')
}

/// Returns whether a segment is `word` in any case, possibly with a suffix that begins with a character that is not part of
/// a word.
fn is_spelling_of(word: &str, segment: &str) -> bool {
    let (segment, word) = (segment.as_bytes(), word.as_bytes());
    segment.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
        && segment.get(word.len()).is_none_or(|next| !(next.is_ascii_alphanumeric() || b"_-".contains(next)))
}

/// The id of a path that the description does not contain.
pub(crate) const UNLISTED: &str = "unlisted";

#[cfg(test)]
mod tests;
