//! The commands of an operator against the demo's gateway.

use std::process::Command;

use crate::failure::Failure;
use crate::narrator::Narrator;
use crate::stage::Stage;

/// Runs a command of `kyc-gateway` against the admin listener, and shows what it prints.
pub(crate) fn operate(stage: &Stage, narrator: &Narrator, arguments: &[&str]) -> Result<(), Failure> {
    let admin = format!("http://{}", stage.gateway.admin());
    narrator.note(&format!("$ {} {} --admin {admin}", stage.program.display(), arguments.join(" ")));
    let output = Command::new(&stage.program).args(arguments).args(["--admin", &admin]).output()?;
    String::from_utf8_lossy(&output.stdout).lines().for_each(|line| narrator.note(line));
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(String::from_utf8_lossy(&output.stderr).into_owned()))
}
