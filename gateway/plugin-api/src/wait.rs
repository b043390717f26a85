//! Waits between the head hooks and the rest of a request.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use kyc_model::Problem;

type BoxFuture = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send>>;

/// One wait, or several in sequence.
pub(crate) struct Wait(Mutex<BoxFuture>);

// === impl Wait ===

impl Wait {
    /// Appends `what` to an earlier wait.
    pub(crate) fn behind(
        earlier: Option<Self>,
        what: impl Future<Output = Result<(), Problem>> + Send + 'static,
    ) -> Self {
        let whole: BoxFuture = match earlier {
            Some(earlier) => {
                let earlier = earlier.into_future();
                Box::pin(async move {
                    earlier.await?;
                    what.await
                })
            }
            None => Box::pin(what),
        };
        Self(Mutex::new(whole))
    }

    pub(crate) fn into_future(self) -> BoxFuture {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProblemKind;

    #[tokio::test]
    async fn all_waits_must_end_and_the_first_problem_cancels_them() {
        let refuse = |kind| async move { Err(Problem::from(kind)) };

        let both = Wait::behind(Some(Wait::behind(None, async { Ok(()) })), refuse(ProblemKind::RateLimited));
        let first = Wait::behind(
            Some(Wait::behind(None, refuse(ProblemKind::Overloaded))),
            refuse(ProblemKind::Internal),
        );

        assert_eq!(both.into_future().await.unwrap_err().kind(), ProblemKind::RateLimited);
        assert_eq!(first.into_future().await.unwrap_err().kind(), ProblemKind::Overloaded);
    }
}
