//! Where a portal's endpoints are: below the path of `ftosEndpoint`.

use kyc_model::Portal;
use url::Url;

/// The URL of an endpoint, by its path segments.
pub(crate) fn endpoint(portal: &Portal, path: &[&str]) -> Url {
    let mut url = portal.url.clone();
    // Only `data:` and the like have no path segments, and a portal is http or https.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}
