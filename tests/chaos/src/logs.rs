//! Log files under a load, across midnight and a restart in the middle of a file.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kyc_harness::gateway::{Gateway, Launch};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{Failure, progress};

/// What is tried.
#[derive(Clone, Debug)]
pub struct Logs {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Log lines in a second; each refused call writes two.
    pub rate: u64,
    /// Seconds; midnight is after a third of them, the restart after two thirds.
    pub seconds: u64,
    /// The size at which a file is full.
    pub roll_size: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Lines on standard output while files were written.
    pub lines: usize,
    /// Lines in files.
    pub written: usize,
    /// Lines of a second, on average.
    pub rate: f64,
    /// Names and sizes, in order.
    pub files: Vec<(String, u64)>,
    /// What is not as Serilog would leave it.
    pub wrong: Vec<String>,
}

// === impl Found ===

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lines at {:.0}/s, {} in {} files",
            self.lines,
            self.rate,
            self.written,
            self.files.len()
        )?;
        for name in [self.files.first(), self.files.last()].into_iter().flatten() {
            write!(f, ", {} of {} bytes", name.0, name.1)?;
        }
        write!(f, "; {} wrong", self.wrong.len())?;
        self.wrong.iter().try_for_each(|wrong| write!(f, "\n  {wrong}"))
    }
}

/// Writes, and looks at the files.
///
/// # Errors
///
/// What could not be run.
pub async fn run(logs: &Logs) -> Result<Found, Failure> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("gateway.toml");
    fs::write(&config, format!("[log]\nfolder = {:?}\n{CONFIG}", folder.path().join("logs")))?;
    let files = folder.path().join("logs");
    document(folder.path(), logs.roll_size, None)?;
    let clock = clock(logs.seconds / 3)?;
    let launch = Launch::new(&logs.binary, &config).environment(clock);
    let start = || Gateway::start(launch.clone());

    let first = start().await.map_err(|error| Failure(error.to_string()))?;
    begun(&first).await?;
    progress(&format!("{} lines a second, midnight in {} s", logs.rate, logs.seconds / 3));
    let begin = Instant::now();
    load(&first, logs.rate, logs.seconds * 2 / 3).await?;
    let mut took = begin.elapsed();
    // Longer than lines are gathered.
    sleep(SETTLED).await;
    let (_, mut printed) = first.stop().await?;
    let at_restart = newest(&files)?;
    let second = start().await.map_err(|error| Failure(error.to_string()))?;
    begun(&second).await?;
    progress("restarted");
    let begin = Instant::now();
    load(&second, logs.rate, logs.seconds - logs.seconds * 2 / 3).await?;
    took += begin.elapsed();
    sleep(SETTLED).await;
    let found = sizes(&files)?;
    let text = texts(&files, &found)?;
    printed.push_str(&second.log().text());

    // Fewer are kept from now on, once the next file begins.
    document(folder.path(), logs.roll_size, Some(KEPT))?;
    sleep(SETTLED).await;
    load(&second, logs.rate, 1 + logs.roll_size * 2 / (LINE * logs.rate)).await?;
    sleep(SETTLED).await;
    let kept = sizes(&files)?.len();
    second.stop().await?;

    let mut wrong = Vec::new();
    if kept != KEPT {
        wrong.push(format!("{kept} files are kept, not {KEPT}"));
    }
    names_and_sizes(&found, logs.roll_size, &at_restart, &mut wrong);
    let lines = same_lines(&printed, &text, &mut wrong);
    days(&text, &mut wrong);
    let written = text.iter().map(|(_, text)| text.lines().count()).sum();
    let rate = lines as f64 / took.as_secs_f64();
    Ok(Found { lines, written, rate, files: found, wrong })
}

fn document(folder: &Path, roll_size: u64, retained: Option<usize>) -> Result<(), Failure> {
    let retained = retained.map_or_else(|| "null".to_owned(), |count| count.to_string());
    let text = json!({
        "Onfido-BaseUrl": "http://127.0.0.1:9/v3.6",
        "Onfido-ApiTokens": "[]",
        "serilog-file-logging": "true",
        "serilog-fileName": folder.join("logs\\trace_roll_.log").to_string_lossy().replace('/', "\\"),
        "serilog-flushInterval": "1s",
        "serilog-rollSizeBytes": roll_size.to_string(),
        "serilog-retainedFileCount": retained,
    });
    let draft = folder.join("draft.json");
    fs::write(&draft, text.to_string())?;
    Ok(fs::rename(draft, folder.join("tenants.json"))?)
}

/// The environment under which midnight (UTC) is so many seconds away.
fn clock(midnight: u64) -> Result<[(&'static str, String); 3], Failure> {
    let library = fs::read_dir("/usr/lib")?
        .filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|path| path.exists())
        .ok_or_else(|| Failure("Debian's package faketime is not installed".to_owned()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let offset = (DAY - now % DAY + DAY - midnight) % DAY;
    Ok([
        ("LD_PRELOAD", library.to_string_lossy().into_owned()),
        ("FAKETIME", format!("+{offset}")),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}

async fn begun(gateway: &Gateway) -> Result<(), Failure> {
    let line = gateway.log().wait_for(BEGIN).await;
    line.map(|_| ()).map_err(|_| Failure("the log files do not begin".to_owned()))
}

/// Calls of a subscription that nobody has, at a fixed rate.
async fn load(gateway: &Gateway, lines: u64, seconds: u64) -> Result<(), Failure> {
    let (begin, each) = (Instant::now(), lines * seconds / 2 / LANES);
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let url = format!("{}/dcs/kyc2/applicants", gateway.url());
        lanes.spawn(async move {
            let client = reqwest::Client::new();
            for number in 0..each {
                let due = (number * LANES + lane) * 2_000_000 / lines;
                sleep_until(begin + Duration::from_micros(due)).await;
                let call = client.get(&url).header("SubscriptionId", "nobody").send().await;
                call.map_err(|error| Failure(error.to_string()))?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.map_err(|error| Failure(error.to_string()))??;
    }
    Ok(())
}

fn sizes(folder: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()));
    }
    files.sort_by_key(|(name, _)| place(name));
    Ok(files)
}

fn newest(folder: &Path) -> Result<String, Failure> {
    sizes(folder)?.pop().map(|(name, _)| name).ok_or_else(|| Failure("no file was written".to_owned()))
}

fn texts(folder: &Path, files: &[(String, u64)]) -> Result<Vec<(String, String)>, Failure> {
    let read = |(name, _): &(String, u64)| Ok((name.clone(), fs::read_to_string(folder.join(name))?));
    files.iter().map(read).collect()
}

/// The day and the number in a name that Serilog would give; none for another.
fn place(name: &str) -> Option<(u32, u32)> {
    let middle = name.strip_prefix("trace_roll_")?.strip_suffix(".log")?;
    let (day, number) = match middle.split_once('_') {
        Some((day, number)) if number.len() >= 3 => (day, number.parse().ok()?),
        Some(_) => return None,
        None => (middle, 0),
    };
    (day.len() == 8).then_some(())?;
    Some((day.parse().ok()?, number))
}

/// One row of numbers for each day, and each file full but the last one of its day.
fn names_and_sizes(files: &[(String, u64)], full: u64, at_restart: &str, wrong: &mut Vec<String>) {
    let mut days: BTreeMap<u32, Vec<(u32, u64, &str)>> = BTreeMap::new();
    for (name, size) in files {
        match place(name) {
            Some((day, number)) => days.entry(day).or_default().push((number, *size, name)),
            None => wrong.push(format!("{name} is no name of Serilog's")),
        }
    }
    if days.len() != 2 {
        wrong.push(format!("files of {} days, not 2", days.len()));
    }
    for files in days.values() {
        for (expected, (number, size, name)) in (0..).zip(files) {
            let is_last = expected + 1 == files.len() as u32;
            if *number != expected {
                wrong.push(format!("{name} has not the number {expected}"));
            }
            if (!is_last && *size < full) || *size > full + LONGEST {
                wrong.push(format!("{name} has {size} bytes of {full}"));
            }
        }
    }
    if !files.iter().any(|(name, _)| name == at_restart) {
        wrong.push(format!("{at_restart} is gone"));
    }
}

/// Every line of standard output from the moment on that files are written, and no other; says how many.
fn same_lines(printed: &str, files: &[(String, String)], wrong: &mut Vec<String>) -> usize {
    let mut is_written = false;
    let mut expected: Vec<&str> = Vec::new();
    for line in printed.lines() {
        // A process begins anew.
        let begins = ["\"message\":\"starting\"", "\"message\":\"listening\"", "runs as root"]
            .iter()
            .any(|text| line.contains(text));
        is_written = (is_written && !begins) || line.contains(BEGIN);
        if is_written {
            expected.push(line);
        }
    }
    let mut found: Vec<&str> = files.iter().flat_map(|(_, text)| text.lines()).collect();
    let lines = expected.len();
    expected.sort_unstable();
    found.sort_unstable();
    if expected != found {
        wrong.push(format!("{lines} lines were printed and {} are in files, or they differ", found.len()));
    }
    lines
}

/// A line stands in the file of its day; one that comes late, from before midnight, may stand in the next.
fn days(files: &[(String, String)], wrong: &mut Vec<String>) {
    let mut late = 0;
    for (name, text) in files {
        let Some((day, _)) = place(name) else { continue };
        for line in text.lines() {
            let date =
                line.strip_prefix("{\"timestamp\":\"").and_then(|rest| rest.get(..10)).unwrap_or_default();
            match date.replace('-', "").parse::<u32>() {
                Ok(of_line) if of_line == day => {}
                Ok(of_line) if of_line < day => late += 1,
                Ok(_) | Err(_) => wrong.push(format!("{name} holds a line of {date}")),
            }
        }
    }
    if late > MAY_BE_LATE {
        wrong.push(format!("{late} lines are in the file of the next day"));
    }
}

const CONFIG: &str = "[admin]\naddress = \"127.0.0.1:0\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n\
                      [doctor]\nenabled = false\n[tenants]\nsource = \"file\"\npoll = \"100ms\"\nfile.path = \"tenants.json\"\n\
                      [[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\n\
                      [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n";
const BEGIN: &str = "log file settings changed";
const DAY: u64 = 24 * 3600;
const LANES: u64 = 32;
/// Bytes of a line, at least.
const LINE: u64 = 150;
/// Bytes of the longest line.
const LONGEST: u64 = 1024;
const KEPT: usize = 3;
const MAY_BE_LATE: usize = 64;
const SETTLED: Duration = Duration::from_millis(500);
