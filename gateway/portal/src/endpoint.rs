//! URLs of a portal's endpoints, below the path of `ftosEndpoint`.

use kyc_model::Portal;
use url::Url;

/// Returns the URL of an endpoint. The path segments are percent-encoded.
pub(crate) fn endpoint(portal: &Portal, path: &[&str]) -> Url {
    let mut url = portal.url.clone();
    // Only URLs such as `data:` have no path segments; a portal's is `http` or `https`.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}
