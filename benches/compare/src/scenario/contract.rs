//! What each scenario says of itself.

use async_trait::async_trait;

use crate::contender::Running;
use crate::sample::Sample;
use crate::stage::Stage;

/// A load, and what it needs.
#[async_trait(?Send)]
pub(crate) trait Scenario {
    /// What it is called on the command line.
    fn name(&self) -> &'static str;

    /// What is done, for the head of the table.
    fn title(&self) -> String;

    /// What it needs.
    fn stage(&self) -> Stage;

    /// Measures a contender once.
    ///
    /// # Errors
    ///
    /// The load cannot be made, or a call was not answered with 200.
    async fn measure(&self, running: &Running, seconds: u32) -> Result<Sample, String>;
}
