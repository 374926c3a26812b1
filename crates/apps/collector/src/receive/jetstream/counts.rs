//! How a receiver of JetStream is doing.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use spanlake_core::sync::{Mutex, lock};

use crate::collector::Part;

/// What became of messages, and what failed.
#[derive(Debug)]
pub(crate) struct Counts {
    name: String,
    by_end: [AtomicU64; End::ALL.len()],
    errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is in this collector's queue.
    Stored,
    /// It was here before, and came again.
    Repeated,
    /// Another collector has it.
    Elsewhere,
    /// There was no room for it.
    GivenBack,
    /// Nobody can make anything of it.
    Terminated,
}

impl End {
    const ALL: [Self; 5] = [Self::Stored, Self::Repeated, Self::Elsewhere, Self::GivenBack, Self::Terminated];

    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::Elsewhere => "elsewhere",
            Self::GivenBack => "given_back",
            Self::Terminated => "terminated",
        }
    }
}

impl Counts {
    pub(crate) fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            by_end: Default::default(),
            errors: AtomicU64::new(0),
            last_error: Mutex::default(),
        }
    }

    pub(super) fn add(&self, end: End, count: usize) {
        if let Some(counter) = self.by_end.get(end as usize) {
            counter.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn fail(&self, error: &(dyn std::error::Error + Send + Sync + 'static)) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last_error) = Some(error.to_string());
    }

    /// How the receiver is.
    pub(crate) fn part(&self) -> Part {
        let errors = self.errors.load(Ordering::Relaxed);
        let name = format!("jetstream `{}`", self.name);
        Part { name, errors, dead: 0, lost: 0, is_failing: false, last_error: lock(&self.last_error).clone() }
    }

    /// Lines of one metric, without its head.
    pub(crate) fn put_messages(&self, out: &mut String) {
        for (end, count) in End::ALL.iter().zip(&self.by_end) {
            let (name, end, count) = (&self.name, end.as_str(), count.load(Ordering::Relaxed));
            let _ =
                writeln!(out, "spanlaked_jetstream_messages_total{{receiver=\"{name}\",outcome=\"{end}\"}} {count}");
        }
    }

    /// The same of another.
    pub(crate) fn put_errors(&self, out: &mut String) {
        let errors = self.errors.load(Ordering::Relaxed);
        let _ = writeln!(out, "spanlaked_jetstream_errors_total{{receiver=\"{}\"}} {errors}", self.name);
    }
}
