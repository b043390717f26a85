//! A case: what a scripted caller does, what a scripted upstream does, and over which versions of HTTP.
//!
//! A case is written with [`get`], [`post`] or [`raw`], and changed by the methods of [`Case`]. Each version of a case is one
//! exchange of the table.

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

/// The head of a request in any version.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
    pub(crate) framing: RequestFraming,
}

/// How the length of a request's body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestFraming {
    /// There is no body.
    NoBody,
    /// By `Content-Length`.
    Length(usize),
    /// By chunks; over HTTP/2 without `content-length`.
    Chunked,
}

/// What the caller does, one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends a head.
    Head(RequestHead),
    /// Sends bytes as they are, over HTTP/1. `{FIELDS}` stands for `Host` and the tenant's header, `{TENANT}`
    /// for the value of that header, `{PATH}` for a path.
    Raw(String),
    /// The same, one byte at a time, each in a segment of its own.
    Bytewise(String),
    /// Sends a piece of the body.
    Data(&'static str),
    /// Sends the last piece of the body, over HTTP/2 with `END_STREAM`.
    Last(&'static str),
    /// Ends the body: with the last chunk, over HTTP/2 with an empty DATA frame.
    End,
    /// Ends the body with trailers.
    Trailers(&'static [(&'static str, &'static str)]),
    /// Waits for an interim response, for a second at most.
    Interim,
    /// Waits for the head of a final response.
    ResponseHead,
    /// Waits for a whole final response.
    Response,
    /// Waits until the upstream has come to this event.
    Until(&'static str),
    /// Tells the upstream of an event.
    Mark(&'static str),
    /// Closes the connection; over HTTP/2 resets the stream.
    Leave,
    /// Closes the direction to the proxy alone.
    HalfClose,
    /// Resets the connection (TCP RST).
    Reset,
}

/// What the upstream does when it has read the head of a request, one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads the rest of the body.
    Body,
    /// Reads until so many bytes of the body have arrived.
    Bytes(usize),
    /// Writes bytes.
    Write(String),
    /// Writes pieces, each in a segment of its own.
    Segments(Vec<&'static str>),
    /// Closes the connection.
    Close,
    /// Resets the connection (TCP RST).
    Reset,
    /// Waits until the proxy has closed the connection, for 1.5 s at most, and records whether it did.
    Gone,
    /// Sends nothing until the proxy closes the connection.
    Silent,
    /// Waits until the caller has come to this event.
    Until(&'static str),
    /// Tells the caller of an event.
    Mark(&'static str),
    /// Lets the proxy read what the caller has sent.
    Pause,
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
