//! Which call fails, how often, and how.

use std::io;
use std::path::{Path, PathBuf};

/// What a call asks of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum Operation {
    Create,
    Append,
    Map,
    SyncFile,
    Shorten,
    Read,
    Room,
    Tail,
    Exists,
    List,
    Rename,
    Link,
    Remove,
    CreateFolder,
    RemoveFolder,
    SyncFolder,
    /// A write to a file.
    Write,
    /// The sync of a file.
    Sync,
    /// A file's new length.
    SetLen,
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// Of which file or folder; of a rename or a link it is the old name.
    pub path: PathBuf,
    /// Whether a fault made it fail.
    pub failed: bool,
}

/// What is to fail: a call, counted from the moment the fault is set, once or with all that follow.
///
/// ```
/// use spanlake_testkit::disk::{EIO, Fault, Operation};
///
/// let third_call = Fault::at(3);
/// let every_sync = Fault::at(1).of(Operation::Sync).for_ever().error(EIO);
/// let half_a_write = Fault::at(1).of(Operation::Write).tearing();
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing fails before it is set"]
pub struct Fault {
    operation: Option<Operation>,
    number: u64,
    for_ever: bool,
    error: i32,
    tears: bool,
    seen: u64,
}

/// The operating system's number for a full disk.
pub const ENOSPC: i32 = 28;

/// The operating system's number for a broken one.
pub const EIO: i32 = 5;

/// Every fault that is set, and every call that was made.
#[derive(Debug, Default)]
pub(super) struct Faults {
    set: Vec<Fault>,
    calls: Vec<Call>,
}

/// How a call fails.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: io::Error,
    /// Whether a part of a write gets through.
    pub(super) tears: bool,
}

impl Operation {
    /// Whether it makes something durable.
    pub fn is_sync(self) -> bool {
        matches!(self, Operation::Sync | Operation::SyncFolder | Operation::SyncFile)
    }
}

// === impl Fault ===

impl Fault {
    /// The `number`-th call fails, once, with [`EIO`]; the next one is number 1.
    pub fn at(number: u64) -> Self {
        Self { operation: None, number, for_ever: false, error: EIO, tears: false, seen: 0 }
    }

    /// Only such calls count.
    pub fn of(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// All that follow fail as well.
    pub fn for_ever(mut self) -> Self {
        self.for_ever = true;
        self
    }

    /// The operating system's number of the error.
    pub fn error(mut self, number: i32) -> Self {
        self.error = number;
        self
    }

    /// The first half of a write gets through before it fails.
    pub fn tearing(mut self) -> Self {
        self.tears = true;
        self
    }

    fn hits(&mut self, operation: Operation) -> bool {
        if self.operation.is_some_and(|own| own != operation) {
            return false;
        }
        self.seen += 1;
        self.seen == self.number || (self.for_ever && self.seen > self.number)
    }
}

// === impl Faults ===

impl Faults {
    pub(super) fn set(&mut self, fault: Fault) {
        self.set.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.set.clear();
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Notes a call down; the error when it is to fail.
    pub(super) fn call(&mut self, operation: Operation, path: &Path) -> Result<(), Failure> {
        let mut failure = None;
        for fault in &mut self.set {
            // Each one counts the call, also behind another that makes it fail.
            if fault.hits(operation) && failure.is_none() {
                failure = Some(Failure { error: io::Error::from_raw_os_error(fault.error), tears: fault.tears });
            }
        }
        self.calls.push(Call { operation, path: path.to_owned(), failed: failure.is_some() });
        failure.map_or(Ok(()), Err)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}
