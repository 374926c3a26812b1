//! A test that runs once more in a process that has part of the machine for itself: small disks, or a network.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says to that process in which folder it works; set for it only.
const FOLDER: &str = "SPANLAKE_TEST_APART";

/// How a process gets something of its own: root as it is, others as root of a world of their own.
const WAYS: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];

/// Mounted at each of the folders.
const SMALL_DISK: &str = r#"mkdir -p "$0/FOLDER" && mount -t tmpfs -o size=8m,mode=0700 small "$0/FOLDER""#;

/// Tried beforehand, so that what is missing shows before the test begins.
const NETWORK: &str = "ip link set lo up && ip link add spanlake0 type veth peer name spanlake1 && ip link del spanlake0 \
                       && unshare --net nsenter --version > /dev/null";

/// Takes room of a disk, until it is dropped.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Ballast {
    /// So many bytes, for which there is room.
    pub fn new(disk: &Path, bytes: usize) -> Self {
        let path = disk.join("ballast");
        fs::write(&path, vec![1; bytes]).expect("there is room");
        Self(path)
    }

    /// Every byte that is free.
    pub fn all(disk: &Path) -> Self {
        let path = disk.join("all");
        let mut file = File::create(&path).expect("a name is free even where no byte is");
        for size in [64 << 10, 4 << 10, 1] {
            while file.write(&vec![1; size]).is_ok_and(|written| written > 0) {}
        }
        let error = file.write(&[1]).expect_err("it was full");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::remove_file(&self.0).expect("it is there");
    }
}

/// Runs `work` where each of the folders named is a disk of 8 MiB, below the folder that it is given. `test` is the whole name of
/// the test that calls this. Where nothing can be mounted, that is said, and `work` is not run.
pub fn on_small_disks(test: &str, folders: &[&str], work: impl FnOnce(&Path)) {
    let mounts: Vec<_> = folders.iter().map(|folder| SMALL_DISK.replace("FOLDER", folder)).collect();
    run(test, "--mount", &mounts.join(" && "), work);
}

/// Runs `work` in a network that nobody else is in, with the right to change it.
pub fn in_own_network(test: &str, work: impl FnOnce(&Path)) {
    run(test, "--net", NETWORK, work);
}

fn run(test: &str, own: &str, prepare: &str, work: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prepared = |way: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way).arg(own).args(["sh", "-c", &format!(r#"{prepare} && exec "$@""#)]).arg(folder.path());
        command
    };
    let faults: Vec<_> = WAYS.into_iter().map(|way| fault(prepared(way))).collect();
    let Some(at) = faults.iter().position(Option::is_none) else {
        return say_not_run(test, faults.into_iter().flatten().next_back().unwrap_or_default().trim());
    };
    let mut command = prepared(WAYS[at]);
    command.arg(std::env::current_exe().expect("this binary has a path"));
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder.path());
    let output = command.output().expect("a way that works");
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "apart: {}", output.status);
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the child found no test `{test}`");
}

/// Why it does not work this way.
fn fault(mut command: Command) -> Option<String> {
    match command.arg("true").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// Past the harness, which keeps what a passed test prints; `./test` counts the line.
pub fn say_not_run(test: &str, why: &str) {
    let remedy = "be root with all rights, or allow user namespaces";
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: {why}; {remedy}");
}
