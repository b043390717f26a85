//! Builds URLs below a tenant's base URL.

use kyc_model::UpstreamBase;
use url::Url;

use crate::OnfidoError;

/// Builds the URL of a resource below the base URL. Each segment is percent-encoded where that is needed, so that none can
/// add another segment, a query or a host.
///
/// # Errors
///
/// [`OnfidoError::Path`] for a segment that is empty, `.` or `..`: it would name another resource.
pub(crate) fn resource_url(
    base: &UpstreamBase,
    path: &[&str],
    query: &[(&str, &str)],
) -> Result<Url, OnfidoError> {
    if path.is_empty() || path.iter().any(|segment| ["", ".", ".."].contains(segment)) {
        return Err(OnfidoError::Path);
    }
    let mut url = base.url().clone();
    // Fails only for URLs that cannot be a base, such as `data:`; a base URL is http or https.
    url.path_segments_mut().map_err(|()| OnfidoError::Path)?.pop_if_empty().extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &[&str], query: &[(&str, &str)]) -> Option<String> {
        let base = UpstreamBase::parse("https://api.eu.onfido.com/v3.6/").unwrap();
        resource_url(&base, path, query).ok().map(String::from)
    }

    #[test]
    fn path_and_query_are_below_the_base_url() {
        let check = url(&["checks", "8546d921"], &[]);
        let reports = url(&["reports"], &[("check_id", "a&b=c")]);

        assert_eq!(check.as_deref(), Some("https://api.eu.onfido.com/v3.6/checks/8546d921"));
        assert_eq!(reports.as_deref(), Some("https://api.eu.onfido.com/v3.6/reports?check_id=a%26b%3Dc"));
    }

    #[test]
    fn id_stays_one_segment_of_the_path() {
        for (id, segment) in [
            ("a/b", "a%2Fb"),
            ("../../x", "..%2F..%2Fx"),
            ("a?b#c", "a%3Fb%23c"),
            ("//evil.test", "%2F%2Fevil.test"),
            ("%2e%2e", "%252e%252e"),
        ] {
            let expected = format!("https://api.eu.onfido.com/v3.6/checks/{segment}");

            assert_eq!(url(&["checks", id], &[]), Some(expected), "{id}");
        }
    }

    #[test]
    fn segment_that_names_another_resource_is_refused() {
        for path in [&["checks", ""][..], &["checks", "."], &["checks", ".."], &[]] {
            assert_eq!(url(path, &[]), None, "{path:?}");
        }
    }
}
