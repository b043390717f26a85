//! The reason that an operator gives for a change.

use http::{HeaderMap, HeaderName};
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

use crate::printable::is_terminal_control;

/// The text of the header `x-admin-reason`: 1 to 500 printable characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// Why a text is not accepted as a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// The header is missing or empty.
    #[error("a change needs a reason: say why in the header x-admin-reason (1 to {MAX_REASON} characters)")]
    Missing,
    /// The header is repeated.
    #[error("x-admin-reason is there more than once")]
    Repeated,
    /// The text is too long.
    #[error("x-admin-reason has more than {MAX_REASON} characters")]
    TooLong,
    /// The text is not UTF-8, or has characters that can control a terminal.
    #[error("x-admin-reason has characters that cannot be printed")]
    Unprintable,
    /// The text has no visible character.
    #[error("x-admin-reason has no visible character")]
    Invisible,
}

// === impl Reason ===

impl Reason {
    /// Parses the header of a request.
    pub fn of(fields: &HeaderMap) -> Result<Self, ReasonError> {
        let mut values = fields.get_all(REASON).iter();
        match (values.next(), values.next()) {
            (None, _) => Err(ReasonError::Missing),
            (Some(_), Some(_)) => Err(ReasonError::Repeated),
            (Some(value), None) => {
                Self::parse(std::str::from_utf8(value.as_bytes()).map_err(|_| ReasonError::Unprintable)?)
            }
        }
    }

    /// Parses a text.
    pub fn parse(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReasonError::Missing);
        }
        if text.chars().count() > MAX_REASON {
            return Err(ReasonError::TooLong);
        }
        if text.chars().any(is_terminal_control) {
            return Err(ReasonError::Unprintable);
        }
        if text.chars().all(is_invisible) {
            return Err(ReasonError::Invisible);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether a character is invisible: white space, characters without a glyph (Unicode's
/// `Default_Ignorable_Code_Point`, such as fillers, tags and variation selectors), and the blank Braille pattern.
fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character == BLANK_BRAILLE
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

/// The Braille pattern without dots. Its Unicode category is that of a visible symbol, so it needs a rule of its own.
const BLANK_BRAILLE: char = '\u{2800}';
/// The header of the reason.
pub const REASON: HeaderName = HeaderName::from_static("x-admin-reason");
const MAX_REASON: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_has_1_to_500_printable_characters() {
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

    /// Regression: a reason of Hangul fillers or tags was recorded, and looked empty in a list.
    #[test]
    fn invisible_reason_is_refused() {
        let invisible = [
            "\u{3164}",
            "\u{115f}\u{1160}",
            "\u{ffa0} \u{3164}",
            "\u{e0074}\u{e0069}\u{e007f}",
            "\u{e0100}",
            "\u{fe0f}",
            "\u{034f}",
            "\u{180e}",
            "\u{2800}",
        ];
        let steering = ["\u{200b}", "\u{200d}\u{feff}", "\u{2060}", "\u{202e}\u{202c}", "\u{2066}", "\u{ad}"];

        assert_eq!(invisible.map(Reason::parse), invisible.map(|_| Err(ReasonError::Invisible)));
        assert_eq!(steering.map(Reason::parse), steering.map(|_| Err(ReasonError::Unprintable)));
        for text in ["한글", "❤\u{fe0f}", "a\u{3164}", "क\u{94d}ष", "7"] {
            assert_eq!(Reason::parse(text).map(drop), Ok(()), "{text}");
        }
    }

    #[test]
    fn reason_header_must_be_single_and_utf_8() {
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
