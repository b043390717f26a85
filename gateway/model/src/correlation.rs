//! The correlation of an event with the request that brought it: its request id and trace are stored with the event, and sent to
//! the portal.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{REQUEST_ID_HEADER, RequestId, TraceContext};

/// The id of a request, and its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// The id in the access log and in `x-request-id`.
    pub request_id: String,
    trace: Option<TraceContext>,
}

// === impl Correlation ===

impl Correlation {
    /// Creates the correlation of a request.
    pub fn new(request_id: RequestId, trace: Option<TraceContext>) -> Self {
        Self { request_id: request_id.to_string(), trace }
    }

    /// Parses the stored text. An invalid trace is dropped.
    pub fn parse(text: &str) -> Self {
        // A `tracestate` can contain spaces, so only the first two separate the parts.
        let mut parts = text.splitn(3, ' ');
        let request_id = parts.next().unwrap_or_default().to_owned();
        Self { request_id, trace: parts.next().and_then(|parent| TraceContext::new(parent, parts.next())) }
    }

    /// Returns the header fields for a call about this event.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(id) = HeaderValue::try_from(self.request_id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(trace) = &self.trace {
            trace.write_to(&mut headers);
        }
        headers
    }
}

impl fmt::Display for Correlation {
    /// Writes the stored text: the id, then the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.request_id)?;
        let Some(trace) = &self.trace else { return Ok(()) };
        write!(f, " {}", trace.parent())?;
        trace.state().map_or(Ok(()), |state| write!(f, " {state}"))
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_text_is_parsed_to_the_same_correlation() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for trace in [None, TraceContext::new(parent, None), TraceContext::new(parent, Some("a=1, b=2"))] {
            let correlation = Correlation::new(RequestId::new(), trace.clone());

            assert_eq!(Correlation::parse(&correlation.to_string()), correlation);
            assert_eq!(TraceContext::from_headers(&correlation.headers()), trace);
        }
        assert_eq!(Correlation::parse("id of an older version").headers().len(), 1);
    }
}
