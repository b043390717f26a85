//! Audit records of commands that make a change without a gateway.

use std::fs;
use std::sync::Arc;

use http::StatusCode;
use kyc_admin::{Attempt, Audit, OfflineOperation, Peer, Reason};
use kyc_events::AuditLog;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;

/// Builds the record of a change: who runs the command, and what it is to do. `filter` has no secret.
pub(crate) fn attempt(operation: OfflineOperation, filter: Map<String, Value>, reason: &Reason) -> Attempt {
    let uid = rustix::process::getuid().as_raw();
    Attempt {
        operator: Some(format!("uid {uid}")),
        subject: fs::read_to_string(ACCOUNTS).ok().and_then(|accounts| account(&accounts, uid)),
        way: Some(BY_FILE),
        role: Some(BY_FILE),
        from: Peer::File { uid },
        operation: operation.name().to_owned(),
        filter,
        reason: Some(reason.as_str().to_owned()),
    }
}

/// Makes a change between its two audit records.
///
/// # Errors
///
/// The failure of the change; [`Failure::System`] if a record cannot be written. Without the first one, nothing is changed.
pub(crate) async fn with_records<T>(
    records: Arc<dyn AuditLog>,
    attempt: &Attempt,
    change: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let audit = Arc::new(Audit::new(records));
    let begun = audit.begin(attempt).await.map_err(unrecorded)?;
    let done = change.await;
    let status = if done.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let Some(tries_again) = audit.end(attempt, begun, status, None).await else { return done };
    let ended = tries_again.await.map_err(|error| error.to_string());
    let ended = ended.and_then(|ended| ended.map_err(|error| error.to_string()));
    done.and_then(|done| match ended {
        Ok(_) => Ok(done),
        Err(error) => Err(Failure::System(format!("cannot write the end of audit record {begun}: {error}"))),
    })
}

/// The failure of a change that cannot be recorded.
pub(crate) fn unrecorded(error: impl std::fmt::Display) -> Failure {
    Failure::System(format!("nothing was done, because the audit record cannot be written: {error}"))
}

/// Returns the name of a user in the text of `/etc/passwd`; users of a directory service are not there.
fn account(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The login and the role in these records: access to the files of the gateway.
const BY_FILE: &str = "file";
const ACCOUNTS: &str = "/etc/passwd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_is_that_of_the_user_id() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\nkyc:x:990:980::/:/bin/false\n";

        let found = [0, 990, 980].map(|uid| account(accounts, uid));

        assert_eq!(found, [Some("root".to_owned()), Some("kyc".to_owned()), None]);
    }
}
