//! Why an operator makes a change, in his own words.

use http::{HeaderMap, HeaderName};

use crate::terminal;

/// The words of the header `x-admin-reason`: 1 to 500 characters that can be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason(String);

/// Why a text is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReasonError {
    /// There is none.
    #[error("a change needs a reason: say why in the header x-admin-reason (1 to {MAX_REASON} characters)")]
    Missing,
    /// The header is there more than once.
    #[error("x-admin-reason is there more than once")]
    Repeated,
    /// It is too long.
    #[error("x-admin-reason has more than {MAX_REASON} characters")]
    TooLong,
    /// It is no UTF-8, or has characters that a log or a terminal must not be sent.
    #[error("x-admin-reason has characters that cannot be printed")]
    Unprintable,
}

// === impl Reason ===

impl Reason {
    /// Reads it from the fields of a request.
    pub(crate) fn of(fields: &HeaderMap) -> Result<Self, ReasonError> {
        let mut values = fields.get_all(REASON).iter();
        match (values.next(), values.next()) {
            (None, _) => Err(ReasonError::Missing),
            (Some(_), Some(_)) => Err(ReasonError::Repeated),
            (Some(value), None) => {
                Self::parse(std::str::from_utf8(value.as_bytes()).map_err(|_| ReasonError::Unprintable)?)
            }
        }
    }

    /// Reads it from a text.
    pub(crate) fn parse(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReasonError::Missing);
        }
        if text.chars().count() > MAX_REASON {
            return Err(ReasonError::TooLong);
        }
        if text.chars().any(terminal::is_steering) {
            return Err(ReasonError::Unprintable);
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The header that says why.
pub(crate) const REASON: HeaderName = HeaderName::from_static("x-admin-reason");
const MAX_REASON: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_1_to_500_characters_that_can_be_printed() {
        let rows = [
            ("", Err(ReasonError::Missing)),
            (" \t ", Err(ReasonError::Missing)),
            (" the portal was down ", Ok("the portal was down")),
            ("übergangsweise", Ok("übergangsweise")),
            ("a\u{1b}[2J", Err(ReasonError::Unprintable)),
            ("a\nb", Err(ReasonError::Unprintable)),
            ("a\u{202e}b", Err(ReasonError::Unprintable)),
        ];

        for (text, expected) in rows {
            let found = Reason::parse(text);
            assert_eq!(found.as_ref().map(Reason::as_str), expected.as_ref().copied(), "{text:?}");
        }
        assert_eq!(Reason::parse(&"ü".repeat(500)).map(drop), Ok(()));
        assert_eq!(Reason::parse(&"ü".repeat(501)), Err(ReasonError::TooLong));
    }

    #[test]
    fn the_header_is_there_once_and_in_utf_8() {
        let fields = |values: &[&[u8]]| {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(REASON, http::HeaderValue::from_bytes(value).unwrap());
            }
            Reason::of(&fields).map(drop)
        };

        assert_eq!(fields(&[]), Err(ReasonError::Missing));
        assert_eq!(fields(&["ticket 7, ü".as_bytes()]), Ok(()));
        assert_eq!(fields(&[b"a", b"a"]), Err(ReasonError::Repeated));
        assert_eq!(fields(&[b"\xfc"]), Err(ReasonError::Unprintable));
    }
}
