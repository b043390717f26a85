//! What callers and upstreams do, step by step.

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

/// Whether a frame is the last one of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    Last,
    More,
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
    /// Sends fields as one HEADERS frame of HTTP/2, whatever they are. `{TENANT}` stands for the value of the tenant's header. The
    /// frames of such a request are sent as they are, and of its response only the status and the body are read.
    Headers(Vec<(&'static str, &'static str)>, StreamEnd),
    /// Sends a frame of this type, with these flags and this payload, on the stream of such a request.
    Frame(u8, u8, &'static [u8]),
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
    /// Lets the proxy read what the upstream has sent.
    Pause,
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
