//! The rules for the options of `Connection`.
//!
//! Each option names a field that the next hop removes. A caller that names a field of the gateway, such as `X-Request-Id`, would
//! have it removed behind the checks (hop-by-hop header abuse).

use http::{HeaderMap, header};
use kyc_model::REQUEST_ID_HEADER;

use super::trailers::is_token;
use super::violation::Violation;

/// Checks that `Connection` names few fields (RFC 9110 §7.6.1), as tokens, and none that the gateway needs.
///
/// # Errors
///
/// [`Violation::ConnectionOption`].
pub(super) fn check_connection_options(fields: &HeaderMap) -> Result<(), Violation> {
    let values = fields.get_all(header::CONNECTION).iter();
    let options =
        values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    for (count, option) in options.filter(|option| !option.is_empty()).enumerate() {
        let is_protected = MUST_NOT_BE_NAMED.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(option));
        if count >= MAX_CONNECTION_OPTIONS || is_protected || !option.iter().copied().all(is_token) {
            return Err(Violation::ConnectionOption);
        }
    }
    Ok(())
}

/// Fields that `Connection` must not remove on the way.
const MUST_NOT_BE_NAMED: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "content-type",
    "authorization",
    "via",
    REQUEST_ID_HEADER,
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];
/// No known client names more, and each one costs a search.
const MAX_CONNECTION_OPTIONS: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_may_name_few_fields_and_none_that_the_gateway_needs() {
        let many = "a,".repeat(MAX_CONNECTION_OPTIONS) + "b";
        let rows = [
            ("close", Ok(())),
            ("keep-alive, X-Hop, ,", Ok(())),
            ("close, Content-Length", Err(Violation::ConnectionOption)),
            ("X-Forwarded-For", Err(Violation::ConnectionOption)),
            (":authority", Err(Violation::ConnectionOption)),
            ("\"close\"", Err(Violation::ConnectionOption)),
            (many.as_str(), Err(Violation::ConnectionOption)),
        ];

        for (value, verdict) in rows {
            let fields = HeaderMap::from_iter([(header::CONNECTION, value.parse().unwrap())]);
            assert_eq!(check_connection_options(&fields), verdict, "{value}");
        }
    }
}
