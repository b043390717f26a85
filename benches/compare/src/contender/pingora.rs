//! Contenders on Pingora, which are built with this program.

use std::process::Stdio;

use kyc_harness::process::Process;

use super::start::Start;
use crate::pinned;
use crate::stage::{CONTENDER_CORE, Transport};

/// Starts one of them.
pub(super) fn start(start: &Start<'_>, program: &str) -> Result<Process, String> {
    let mut arguments = vec![
        start.listen.to_string(),
        start.upstream_address().to_string(),
        start.folder.join("access.log").display().to_string(),
    ];
    if start.stage.transport == Transport::Tls {
        arguments.push(start.authority.folder().display().to_string());
    }
    pinned::spawn(CONTENDER_CORE, &start.programs.folder.join(program), &arguments, Stdio::null())
}
