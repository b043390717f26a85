//! Which request brought an event: its id and trace go along with the event, to the portal and to operators.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{REQUEST_ID_HEADER, RequestId, TraceContext};

/// A request's id, and the trace that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// As the access log has it (`x-request-id`).
    pub request_id: String,
    trace: Option<TraceContext>,
}

// === impl Correlation ===

impl Correlation {
    /// The correlation of a request.
    pub fn new(request_id: RequestId, trace: Option<TraceContext>) -> Self {
        Self { request_id: request_id.to_string(), trace }
    }

    /// Reads what the store keeps.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, ' ');
        let request_id = parts.next().unwrap_or_default().to_owned();
        Self { request_id, trace: parts.next().and_then(|parent| TraceContext::new(parent, parts.next())) }
    }

    /// The fields of a call that is made for this event.
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
    /// As the store keeps it: the id, then the trace.
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
    fn what_is_kept_is_read_again() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for trace in [None, TraceContext::new(parent, None), TraceContext::new(parent, Some("a=1, b=2"))] {
            let correlation = Correlation::new(RequestId::new(), trace.clone());

            assert_eq!(Correlation::parse(&correlation.to_string()), correlation);
            assert_eq!(TraceContext::from_headers(&correlation.headers()), trace);
        }
        assert_eq!(Correlation::parse("id of an older version").headers().len(), 1);
    }
}
