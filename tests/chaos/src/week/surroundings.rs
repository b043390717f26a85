//! What is below the gateway: a clock that can be set, a disk that can be filled, and keys that change.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// The clock of the gateway's process, by libfaketime. Only the system's clock is set; the monotonic one goes on.
#[derive(Debug)]
pub(super) struct FakeClock {
    file: PathBuf,
    library: PathBuf,
    offset: i64,
}

/// A small disk of its own; it goes with this.
#[derive(Debug)]
pub(super) struct Disk(PathBuf);

/// The files of the store's key and of the keys before.
#[derive(Debug)]
pub(super) struct Keys {
    folder: PathBuf,
    used: u8,
}

// === impl FakeClock ===

impl FakeClock {
    pub(super) fn new(folder: &Path) -> Result<Self, Failure> {
        let found = fs::read_dir("/usr/lib")?.find_map(|entry| {
            let path = entry.ok()?.path().join("faketime/libfaketimeMT.so.1");
            path.exists().then_some(path)
        });
        let library = found.ok_or_else(|| {
            Failure("libfaketime is not there: run `tests/tools/install servers`".to_owned())
        })?;
        let clock = Self { file: folder.join("clock"), library, offset: 0 };
        clock.write()?;
        Ok(clock)
    }

    /// What the gateway is started with.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", self.library.to_string_lossy().as_ref()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_string_lossy().as_ref()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Lets the clock jump.
    pub(super) fn step(&mut self, seconds: i64) -> Result<(), Failure> {
        self.offset += seconds;
        self.write()
    }

    /// In one step: the library reads the file with every look at the clock.
    fn write(&self) -> Result<(), Failure> {
        let draft = self.file.with_extension("draft");
        fs::write(&draft, format!("{:+}", self.offset))?;
        fs::rename(draft, &self.file)?;
        Ok(())
    }
}

// === impl Disk ===

impl Disk {
    /// None where the machine lets nobody mount, as some containers do.
    pub(super) fn mount(path: &Path) -> Result<Option<Self>, Failure> {
        fs::create_dir_all(path)?;
        let is_mounted = run("mount", &["-t", "tmpfs", "-o", SIZE, "tmpfs"], path);
        if is_mounted && !is_writable(path) {
            run("chmod", &["1777"], path);
        }
        Ok(is_mounted.then(|| Self(path.to_owned())))
    }

    /// Takes all room that is left.
    pub(super) fn fill(&self) -> Result<(), Failure> {
        let mut file = File::create(self.0.join(FILLER))?;
        for size in [1 << 20, 4096] {
            let block = vec![0; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Gives it back.
    pub(super) fn free(&self) -> Result<(), Failure> {
        fs::remove_file(self.0.join(FILLER))?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn is_writable(folder: &Path) -> bool {
    let probe = folder.join("probe");
    File::create(&probe).and_then(|_| fs::remove_file(probe)).is_ok()
}

/// Runs a program, as root where that is possible.
fn run(program: &str, arguments: &[&str], last: &Path) -> bool {
    let done = |command: &mut Command| {
        let ended = command.args(arguments).arg(last).stderr(std::process::Stdio::null()).status();
        ended.is_ok_and(|end| end.success())
    };
    done(&mut Command::new(program)) || done(Command::new("sudo").args(["-n", program]))
}

// === impl Keys ===

impl Keys {
    pub(super) fn new(folder: &Path) -> Result<Self, Failure> {
        let mut keys = Self { folder: folder.to_owned(), used: 0 };
        keys.rotate()?;
        Ok(keys)
    }

    /// The settings of the webhook plugin that name the files.
    pub(super) const SETTINGS: &str =
        "events.key_file = \"key\"\nevents.previous_key_file = \"key-before\"\n";

    /// Another key; all those before are previous ones.
    pub(super) fn rotate(&mut self) -> Result<(), Failure> {
        self.used += 1;
        let key = |number: u8| format!("{number:02x}").repeat(32);
        fs::write(self.folder.join("key"), key(self.used))?;
        // A file of previous keys holds at least one.
        let before: Vec<String> = (0..self.used).rev().map(key).collect();
        fs::write(self.folder.join("key-before"), before.join("\n"))?;
        Ok(())
    }
}

const SIZE: &str = "size=256m";
const FILLER: &str = "filler";
