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

/// What a recorded change gave.
#[derive(Debug)]
pub(crate) struct Recorded<T> {
    pub(crate) result: T,
    /// The number of the record of its beginning.
    pub(crate) begun: i64,
    /// Says that the record of its end is missing.
    pub(crate) missing_end: Option<Failure>,
}

/// Makes a change between its two audit records.
///
/// # Errors
///
/// The failure of the change; [`Failure::System`] if its first record cannot be written, and nothing is changed. A change whose second
/// record cannot be written was made, so it has its result.
pub(crate) async fn with_records<T>(
    records: Arc<dyn AuditLog>,
    attempt: &Attempt,
    change: impl Future<Output = Result<T, Failure>>,
) -> Result<Recorded<T>, Failure> {
    let audit = Arc::new(Audit::new(records));
    let begun = audit.begin(attempt).await.map_err(unrecorded)?;
    let done = change.await;
    let status = if done.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let error = match audit.end(attempt, begun, status, None).await {
        None => None,
        Some(tries_again) => match tries_again.await {
            Ok(ended) => ended.err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        },
    };
    let missing_end = error.map(|error| {
        Failure::System(format!(
            "the change was made, but the end of its audit record {begun} is missing: {error}"
        ))
    });
    done.map(|result| Recorded { result, begun, missing_end })
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
    use async_trait::async_trait;
    use kyc_events::{AuditEntry, AuditError};

    use super::*;

    /// A log that takes one record.
    struct Single;

    #[async_trait]
    impl AuditLog for Single {
        async fn open(&self) -> Result<(), AuditError> {
            Ok(())
        }

        async fn newest(&self) -> Result<Option<AuditEntry>, AuditError> {
            Ok(None)
        }

        async fn append(&self, entry: &AuditEntry) -> Result<bool, AuditError> {
            if entry.record.contains("\"begun\":1") { Err(AuditError::Full) } else { Ok(true) }
        }

        async fn read(&self, _: i64, _: usize) -> Result<Vec<AuditEntry>, AuditError> {
            Ok(Vec::new())
        }
    }

    /// Regression: the result of a change, such as the id of a new webhook, was lost when only its end could not be recorded.
    #[tokio::test(start_paused = true)]
    async fn change_without_a_record_of_its_end_has_its_result() {
        let reason = Reason::parse("a test").unwrap();
        let attempt = attempt(OfflineOperation::AddTenant, Map::new(), &reason);

        let recorded = with_records(Arc::new(Single), &attempt, async { Ok("webhook-7") }).await.unwrap();

        assert_eq!((recorded.result, recorded.begun), ("webhook-7", 1));
        let missing = recorded.missing_end.unwrap();
        assert_eq!(
            (missing.to_string().as_str(), missing.code()),
            ("the change was made, but the end of its audit record 1 is missing: the audit store is full", 5)
        );
    }

    #[test]
    fn account_is_that_of_the_user_id() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\nkyc:x:990:980::/:/bin/false\n";

        let found = [0, 990, 980].map(|uid| account(accounts, uid));

        assert_eq!(found, [Some("root".to_owned()), Some("kyc".to_owned()), None]);
    }
}
