//! CPU time and memory of a process and its children.

use std::collections::HashMap;
use std::fs;

use kyc_harness::process::memory;

/// The CPU time of each thread so far, in nanoseconds (`/proc/PID/task/TID/schedstat`).
///
/// That is user and system time, and finer than the ticks of `/proc/PID/stat`. A thread that ends takes along what it used
/// since it was last looked at.
#[derive(Clone, Debug)]
pub(crate) struct CpuTime(HashMap<u32, u64>);

// === impl CpuTime ===

impl CpuTime {
    /// Reads it for a process and its children.
    ///
    /// # Errors
    ///
    /// The process has ended, or this kernel does not count.
    pub(crate) fn of(pid: u32) -> Result<Self, String> {
        let threads =
            processes(pid).into_iter().flat_map(|pid| threads(pid).into_iter().map(move |tid| (pid, tid)));
        let times: HashMap<u32, u64> =
            threads.filter_map(|(pid, tid)| Some((tid, nanoseconds(pid, tid)?))).collect();
        match times.is_empty() {
            true => Err(format!("process {pid} has ended, or has no schedstat")),
            false => Ok(Self(times)),
        }
    }

    /// What was used since an earlier reading, in microseconds.
    pub(crate) fn since(&self, earlier: &Self) -> f64 {
        let used =
            |(tid, now): (&u32, &u64)| now.saturating_sub(earlier.0.get(tid).copied().unwrap_or_default());
        self.0.iter().map(used).sum::<u64>() as f64 / 1000.0
    }
}

/// Memory of a process and its children, in KiB: resident now, and at its peak.
pub(crate) fn resident(pid: u32) -> (u64, u64) {
    let all = processes(pid).into_iter().map(memory);
    all.fold((0, 0), |(now, peak), memory| (now + memory.now, peak + memory.peak))
}

/// The process and all below it.
fn processes(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        for tid in threads(pid) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    found
}

fn threads(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn nanoseconds(pid: u32, tid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use kyc_harness::process::Process;

    use super::*;

    #[test]
    fn children_are_counted() {
        let shell = Process::spawn(Command::new("sh").args(["-c", "sleep 60 & sleep 60"])).unwrap();

        let found = std::iter::repeat_with(|| processes(shell.pid())).find(|found| found.len() > 2).unwrap();

        assert_eq!(found.first(), Some(&shell.pid()));
        found
            .get(1..)
            .unwrap()
            .iter()
            .for_each(|child| kyc_harness::process::signal(*child, "-KILL").unwrap());
    }

    #[test]
    fn work_between_two_readings_is_counted() {
        let own = std::process::id();
        let before = CpuTime::of(own).unwrap();
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(20) {}

        let used = CpuTime::of(own).unwrap().since(&before);

        assert!(used > 0.0, "{used} µs");
    }
}
