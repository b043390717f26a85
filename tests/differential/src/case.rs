//! A case: what a scripted caller does, what a scripted upstream does, and over which versions of HTTP.
//!
//! A case is written with [`get`], [`post`] or [`raw`], and changed by the methods of [`Case`]. Each version of a case is one
//! exchange of the table.

use crate::script::{Act, RequestFraming, RequestHead, Step, StreamEnd};

/// Cases about one subject: a section of the page.
#[derive(Clone, Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The cases, in the order of the page.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What happens, in a few words. No two cases have the same.
    pub name: &'static str,
    /// The versions with which callers make the request.
    pub versions: Vec<Version>,
    pub(crate) acts: Vec<Act>,
    /// What the upstream does with the first request, the second…; the last one repeats.
    pub(crate) plays: Vec<Vec<Step>>,
    /// How many final responses the caller waits for.
    pub(crate) responses: usize,
    /// A field that the table leaves out in other cases.
    pub(crate) shown: &'static str,
}

/// The caller's version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2 over TLS.
    Http2,
}

/// `GET` in every version, answered with 200 and two bytes.
pub(crate) fn get(name: &'static str) -> Case {
    request(name, "GET", "applicants/1", RequestFraming::NoBody, ALL.to_vec(), Vec::new())
}

/// `POST` of five bytes in HTTP/1.1 and HTTP/2, answered with 200 and two bytes.
pub(crate) fn post(name: &'static str) -> Case {
    let versions = vec![Version::Http11, Version::Http2];
    request(name, "POST", "applicants", RequestFraming::Length(5), versions, vec![Act::Last("hello")])
}

/// Bytes as they are, in HTTP/1.1.
pub(crate) fn raw(name: &'static str, bytes: &str) -> Case {
    let acts = vec![Act::Raw(bytes.to_owned())];
    Case { name, versions: vec![Version::Http11], acts, plays: vec![answer(OK)], responses: 1, shown: "" }
}

/// A `GET` over HTTP/2 with these fields, too, each of them as it is. One that begins with a colon replaces that of the request.
pub(crate) fn frames(name: &'static str, fields: &[(&'static str, &'static str)]) -> Case {
    let pseudo = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/dcs/kyc2/applicants/1"),
        (":authority", "gateway.test"),
    ];
    let is_kept = |known: &&(&str, &str)| fields.iter().all(|(name, _)| *name != known.0);
    let kept = pseudo.iter().filter(is_kept).chain(&[("subscriptionid", "{TENANT}")]);
    let (replaced, more): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| name.starts_with(':'));
    let fields = replaced.into_iter().chain(kept).chain(more).copied().collect();
    Case {
        acts: vec![Act::Headers(fields, StreamEnd::Last)],
        versions: vec![Version::Http2],
        ..raw(name, "")
    }
}

fn request(
    name: &'static str,
    method: &'static str,
    target: &'static str,
    framing: RequestFraming,
    versions: Vec<Version>,
    more: Vec<Act>,
) -> Case {
    let head = RequestHead { method, target, fields: Vec::new(), framing };
    let acts = [vec![Act::Head(head)], more].concat();
    Case { name, versions, acts, plays: vec![answer(OK)], responses: 1, shown: "" }
}

/// Writes bytes.
pub(crate) fn write(bytes: &str) -> Step {
    Step::Write(bytes.to_owned())
}

/// Reads the request, and writes this response.
pub(crate) fn answer(response: &str) -> Vec<Step> {
    vec![Step::Body, write(response)]
}

// === impl Case ===

impl Case {
    pub(crate) fn on(mut self, versions: &[Version]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.head().method = method;
        self
    }

    /// Adds fields to the request.
    pub(crate) fn fields(mut self, fields: &[(&'static str, &'static str)]) -> Self {
        self.head().fields.extend(fields);
        self
    }

    pub(crate) fn chunked(mut self) -> Self {
        self.head().framing = RequestFraming::Chunked;
        self
    }

    pub(crate) fn length(mut self, length: usize) -> Self {
        self.head().framing = RequestFraming::Length(length);
        self
    }

    /// What the caller does after the head, in place of sending its body.
    pub(crate) fn then(mut self, acts: &[Act]) -> Self {
        self.acts.truncate(1);
        self.acts.extend_from_slice(acts);
        self
    }

    /// Makes another request before this one, on the same connection, and waits for its response.
    pub(crate) fn after_another(mut self) -> Self {
        let first = RequestHead {
            method: "GET",
            target: "applicants/1",
            fields: Vec::new(),
            framing: RequestFraming::NoBody,
        };
        self.acts.splice(0..0, [Act::Head(first), Act::Response]);
        self.plays.insert(0, answer(OK));
        self.responses += 1;
        self
    }

    /// What the upstream does with the first of two requests.
    pub(crate) fn first(mut self, steps: &[Step]) -> Self {
        self.plays.splice(0..1, [steps.to_vec()]);
        self
    }

    /// What the upstream does with each request.
    pub(crate) fn plays(mut self, steps: &[Step]) -> Self {
        self.plays = vec![steps.to_vec()];
        self
    }

    /// What it does with the next request; otherwise it does the same again.
    pub(crate) fn plays_next(mut self, steps: &[Step]) -> Self {
        self.plays.push(steps.to_vec());
        self
    }

    /// The upstream reads the request, and writes this response.
    pub(crate) fn answered(self, response: &str) -> Self {
        self.plays(&answer(response))
    }

    pub(crate) fn responses(mut self, count: usize) -> Self {
        self.responses = count;
        self
    }

    pub(crate) fn shown(mut self, field: &'static str) -> Self {
        self.shown = field;
        self
    }

    fn head(&mut self) -> &mut RequestHead {
        let heads = self.acts.iter_mut().filter_map(|act| match act {
            Act::Head(head) => Some(head),
            _ => None,
        });
        heads.last().unwrap()
    }
}

// === impl Version ===

impl Version {
    /// As it is called in tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

pub(crate) const ALL: [Version; 3] = [Version::Http10, Version::Http11, Version::Http2];
pub(crate) const OLD: [Version; 1] = [Version::Http10];
pub(crate) const HTTP_1: [Version; 2] = [Version::Http10, Version::Http11];
pub(crate) const ONLY_11: [Version; 1] = [Version::Http11];
pub(crate) const ONLY_2: [Version; 1] = [Version::Http2];
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
