//! Telling whether the process of a session lives, from wherever one looks.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value as Json, json};
use spanlake_core::Source;

/// A process, so that it is not taken for a later one with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) host: String,
    pub(super) pid: u32,
    /// Which start of which machine; empty where the kernel does not tell.
    boot: String,
    /// In which numbering the process has its number: containers have their own.
    namespace: String,
    /// When it started, in ticks since the machine did.
    started: u64,
}

impl Process {
    pub(super) fn this() -> Self {
        let pid = std::process::id();
        Self {
            host: Source::this_process("").host,
            pid,
            boot: boot(),
            namespace: namespace(),
            started: if let Some(Started::At(ticks)) = started(pid) { ticks } else { 0 },
        }
    }

    /// Whether it is gone; `None` where that cannot be seen from here, because it is on another machine or in another
    /// container.
    pub(super) fn is_gone(&self) -> Option<bool> {
        let is_near = !self.boot.is_empty() && self.boot == boot() && self.namespace == namespace();
        match started(self.pid).filter(|_| is_near) {
            Some(Started::At(ticks)) => Some(ticks != self.started),
            Some(Started::Gone) => Some(true),
            Some(Started::Hidden) | None => None,
        }
    }

    pub(super) fn to_json(&self) -> Json {
        json!({
            "host": self.host, "pid": self.pid, "boot": self.boot, "namespace": self.namespace, "started": self.started,
        })
    }

    pub(super) fn from_json(json: &Json) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| json[name].as_u64().unwrap_or(0);
        Self {
            host: text("host"),
            pid: u32::try_from(number("pid")).unwrap_or(0),
            boot: text("boot"),
            namespace: text("namespace"),
            started: number("started"),
        }
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What is seen of a process.
enum Started {
    /// In ticks since the machine did.
    At(u64),
    /// There is none of this number, or only what its parent has not buried.
    Gone,
    /// There is one, of another user, and the kernel does not show it.
    Hidden,
}

fn started(pid: u32) -> Option<Started> {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        let asked = Pid::from_raw(i32::try_from(pid).ok()?).map(test_kill_process);
        return Some(if asked == Some(Err(Errno::SRCH)) { Started::Gone } else { Started::Hidden });
    };
    // The second word is the program's name in brackets, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace();
    if matches!(words.next()?, "Z" | "X") {
        return Some(Started::Gone);
    }
    words.nth(18)?.parse().ok().map(Started::At)
}
