//! The setting of a measurement, published beside its figures.

use std::{env, fs, path::Path, process::Command, thread};

use jiff::Timestamp;
use tempfile::TempDir;

use crate::Result;

/// Where files go unless told otherwise: memory, so that the disk does not decide.
const SHARED_MEMORY: &str = "/dev/shm";

/// A new folder that is removed with its value, below `base` or in memory.
pub fn scratch_folder(base: Option<&Path>) -> Result<TempDir> {
    let memory = Path::new(SHARED_MEMORY);
    let default = || if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
    let base = base.map_or_else(default, Path::to_owned);
    Ok(tempfile::Builder::new().prefix("spanlake-benches-").tempdir_in(base)?)
}

/// Date, machine, compiler and file system, as lines of Markdown; `out` is a folder of the output's file system.
pub fn describe(out: &Path) -> String {
    [
        ("date", Timestamp::now().strftime("%FT%TZ").to_string()),
        ("CPU", cpu_model().unwrap_or_else(unknown)),
        ("cores", thread::available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string())),
        ("kernel", read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown)),
        ("rustc", rustc_version().unwrap_or_else(unknown)),
        ("file system", file_system(out).unwrap_or_else(unknown)),
        ("load before", read("/proc/loadavg").unwrap_or_else(unknown)),
    ]
    .map(|(name, value)| format!("- {name}: {value}\n"))
    .concat()
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn cpu_model() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn rustc_version() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The type of the mount with the longest matching path.
fn file_system(out: &Path) -> Option<String> {
    let mounts = read("/proc/self/mounts")?;
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let above = mounts.lines().filter_map(mount).filter(|(point, _)| out.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}
