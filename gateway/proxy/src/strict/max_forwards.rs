//! `Max-Forwards` of OPTIONS (RFC 9110 §7.6.2). TRACE, the other method with it, is refused; for all others it has no meaning.

use http::header::MAX_FORWARDS;
use http::{HeaderMap, Method};

use super::violation::Violation;

/// Returns how many more times a request may be forwarded; `None`: without a limit.
///
/// # Errors
///
/// [`Violation::MaxForwards`] when the field is repeated or not a number. Without a number the loop that the field should end
/// would not end.
pub(crate) fn max_forwards(method: &Method, fields: &HeaderMap) -> Result<Option<u64>, Violation> {
    if *method != Method::OPTIONS {
        return Ok(None);
    }
    let mut values = fields.get_all(MAX_FORWARDS).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().ok().filter(|text| is_digits(text));
            // A number over 64 bits is the largest one that the gateway supports.
            text.map(|text| Some(text.parse().unwrap_or(u64::MAX))).ok_or(Violation::MaxForwards)
        }
        (Some(_), Some(_)) => Err(Violation::MaxForwards),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_number_of_an_options_request_counts() {
        let rows: [(Method, &[&str], _); 9] = [
            (Method::OPTIONS, &[], Ok(None)),
            (Method::OPTIONS, &["0"], Ok(Some(0))),
            (Method::OPTIONS, &["010"], Ok(Some(10))),
            (Method::OPTIONS, &["18446744073709551616"], Ok(Some(u64::MAX))),
            (Method::OPTIONS, &[""], Err(Violation::MaxForwards)),
            (Method::OPTIONS, &["+1"], Err(Violation::MaxForwards)),
            (Method::OPTIONS, &["1, 2"], Err(Violation::MaxForwards)),
            (Method::OPTIONS, &["1", "1"], Err(Violation::MaxForwards)),
            (Method::GET, &["x"], Ok(None)),
        ];

        for (method, values, verdict) in rows {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(MAX_FORWARDS, value.parse().unwrap());
            }
            assert_eq!(max_forwards(&method, &fields), verdict, "{method} {values:?}");
        }
    }
}
