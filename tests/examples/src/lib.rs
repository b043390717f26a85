//! Two plugins of a third party: `acme-stamp`, the smallest useful one, and `acme-blocklist` with a body, a background task and
//! an admin page.

mod blocklist;
mod stamp;

pub use blocklist::Blocklist;
pub use stamp::Stamp;
