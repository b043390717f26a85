//! A verdict as a table.

use std::fmt;

use super::Verdict;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<26}{:>6}{:>22}{:>16}{:>18}",
            "fault", "times", "accepted meanwhile", "longest wait", "delivered again"
        )?;
        for (kind, row) in &self.kinds {
            let longest = format!("{:.1} s", row.longest as f64 / 1000.0);
            let (name, times, accepted) = (kind.name(), row.times, row.accepted);
            writeln!(f, "{name:<26}{times:>6}{accepted:>22}{longest:>16}{:>18}", row.duplicates)?;
        }
        let [refused, broken, renamed] = self.again;
        writeln!(
            f,
            "\naccepted {} = delivered {} + listed dead {} + listed parked {}",
            self.accepted, self.delivered, self.dead, self.parked
        )?;
        writeln!(
            f,
            "sent again by Onfido: {refused} after 503, {broken} without an answer, {renamed} after 401 of a renamed tenant"
        )?;
        writeln!(
            f,
            "delivered again {}, delivered late {}, longest wait {:.1} s",
            self.duplicates,
            self.late,
            self.longest as f64 / 1000.0
        )?;
        let [times, longest, again] = self.stalls;
        writeln!(
            f,
            "this machine stood still {times} times, {longest} ms at most, and {again} came again for that"
        )?;
        write!(f, "violations: {}", self.violations.len())?;
        self.violations.iter().take(SHOWN).try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

/// Violations that are printed.
const SHOWN: usize = 100;
