//! The W3C trace context, which identifies the trace of a request.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A `traceparent` with its `tracestate` (<https://www.w3.org/TR/trace-context/>), received or to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

// === impl TraceContext ===

impl TraceContext {
    /// Parses both; `None` if the parent is invalid (§3.2.2).
    pub fn new(parent: &str, state: Option<&str>) -> Option<Self> {
        // Future versions may append fields to those of version 00.
        let head = parent.get(..LENGTH)?;
        let has_more = parent.len() > LENGTH;
        let is_future_version = !parent.starts_with("00") && parent.get(LENGTH..)?.starts_with('-');
        if (has_more && !is_future_version) || head.starts_with("ff") {
            return None;
        }
        let well_formed = head.bytes().enumerate().all(|(place, byte)| match place {
            2 | 35 | 52 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
        let is_set = |id: &str| id.bytes().any(|byte| byte != b'0');
        // The context is forwarded as version 00, with its only flag (§4.3).
        let sampled = u8::from_str_radix(head.get(53..)?, 16).ok()? & 1;
        let context = Self { parent: format!("00{}0{sampled}", head.get(2..53)?), state: None };
        if !well_formed || !is_set(context.trace_id()) || !is_set(context.span_id()) {
            return None;
        }
        let is_text = |state: &&str| {
            !state.is_empty()
                && state.len() <= MAX_STATE
                && state.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
        };
        Some(Self { state: state.map(str::trim).filter(is_text).map(str::to_owned), ..context })
    }

    /// Parses both from header fields; `None` if `traceparent` is missing, repeated or invalid.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(PARENT).iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        // If one `tracestate` field is not text, the whole list is dropped.
        let states: Result<Vec<&str>, _> = headers.get_all(STATE).iter().map(HeaderValue::to_str).collect();
        let state = states.ok().filter(|states| !states.is_empty()).map(|states| states.join(","));
        Self::new(parent.to_str().ok()?, state.as_deref())
    }

    /// Sets both header fields. Replaces existing ones.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        headers.remove(STATE);
        // Cannot fail: a parsed parent is visible ASCII.
        if let Ok(parent) = HeaderValue::try_from(self.parent.as_str()) {
            headers.insert(PARENT, parent);
        }
        if let Some(state) = self.state.as_deref().and_then(|state| HeaderValue::try_from(state).ok()) {
            headers.insert(STATE, state);
        }
    }

    /// Returns the whole `traceparent`.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// Returns the `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Returns the trace id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }

    /// Returns the span id, 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        self.parent.get(36..52).unwrap_or_default()
    }

    /// Returns whether the caller records this trace.
    pub fn is_sampled(&self) -> bool {
        let flags = self.parent.get(53..55).and_then(|flags| u8::from_str_radix(flags, 16).ok());
        flags.is_some_and(|flags| flags & 1 == 1)
    }
}

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");
const LENGTH: usize = 55;
/// The length of `tracestate` that the recommendation asks implementations to propagate at least (§3.3.1.5); longer ones are dropped.
const MAX_STATE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn only_valid_parents_are_accepted() {
        let next = GOOD.replacen("00", "01", 1).replace("-01", "-ff") + "-more";
        assert_eq!(TraceContext::new(&next, None).unwrap().parent(), GOOD, "forwarded as version 00");
        for parent in [GOOD, &GOOD.replace("-01", "-00"), &next] {
            assert_eq!(
                TraceContext::new(parent, None).unwrap().trace_id(),
                "0af7651916cd43dd8448eb211c80319c"
            );
        }
        let zero_trace = GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        let zero_span = GOOD.replace("b7ad6b7169203331", &"0".repeat(16));
        for parent in [
            "",
            &GOOD[1..],
            &GOOD.to_uppercase(),
            &format!("{GOOD}-more"),
            &format!("{GOOD}0"),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replace('-', "_"),
            &zero_trace,
            &zero_span,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0é",
        ] {
            assert_eq!(TraceContext::new(parent, None), None, "{parent}");
        }
    }

    #[test]
    fn header_fields_are_parsed_and_written() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::from_headers(&headers), None);
        headers.insert(PARENT, HeaderValue::from_static(GOOD));
        headers.append(STATE, HeaderValue::from_static("a=1"));
        headers.append(STATE, HeaderValue::from_static("b=2"));

        let context = TraceContext::from_headers(&headers).unwrap();
        let mut written = HeaderMap::new();
        written.insert(STATE, HeaderValue::from_static("old=1"));
        context.write_to(&mut written);

        assert_eq!(
            (context.state(), context.span_id(), context.is_sampled()),
            (Some("a=1,b=2"), "b7ad6b7169203331", true)
        );
        assert!(written["traceparent"] == GOOD && written["tracestate"] == "a=1,b=2");
        assert_eq!(written.len(), 2);
        headers.append(PARENT, HeaderValue::from_static(GOOD));
        assert_eq!(TraceContext::from_headers(&headers), None, "a repeated traceparent is invalid");
    }
}
