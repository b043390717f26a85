//! The caller of one exchange: it follows the script, and records what it receives.

mod frames;
mod http1;
mod http2;
mod seen;

use crate::case::{Case, Version};
use crate::script::Act;
pub(crate) use seen::{Call, ConnectionState, Response, Seen};

/// Makes the request of a case, and records what comes back.
pub(crate) async fn make(call: Call<'_>, case: &Case, version: Version) -> Seen {
    let seen = match version {
        Version::Http10 | Version::Http11 => http1::make(call, case, version).await,
        Version::Http2 if is_of_frames(case) => frames::make(call, case).await,
        Version::Http2 => http2::make(call, case).await,
    };
    // The events of callers that have left never come.
    call.events.mark("end");
    if seen.connection == ConnectionState::Left {
        // What was sent on the connection before has been served when this has.
        http1::probe_alone(call).await;
    }
    seen
}

fn is_of_frames(case: &Case) -> bool {
    matches!(case.acts.first(), Some(Act::Headers(..)))
}
