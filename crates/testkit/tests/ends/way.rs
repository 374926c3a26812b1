//! The ways out, and what is promised for each.

use signal_hook::consts::{SIGABRT, SIGINT, SIGKILL, SIGTERM};

/// A way a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Return,
    RuntimeFirst,
    AsyncMain,
    Leaked,
    Static,
    PanicInMain,
    PanicInThread,
    PanicInPanic,
    Exit,
    ExitInThread,
    Sigterm,
    Sigint,
    SigtermUnasked,
    Abort,
    OutOfMemory,
    Kill,
}

/// How the parent sees a child end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Code(i32),
    Signal(i32),
}

/// What a child exits with that calls `exit`.
pub(crate) const CODE: i32 = 3;

impl Way {
    pub(crate) const ALL: [Self; 16] = [
        Self::Return,
        Self::RuntimeFirst,
        Self::AsyncMain,
        Self::Leaked,
        Self::Static,
        Self::PanicInMain,
        Self::PanicInThread,
        Self::PanicInPanic,
        Self::Exit,
        Self::ExitInThread,
        Self::Sigterm,
        Self::Sigint,
        Self::SigtermUnasked,
        Self::Abort,
        Self::OutOfMemory,
        Self::Kill,
    ];

    /// Those that may come while threads are logging.
    pub(crate) const SUDDEN: [Self; 5] = [Self::ExitInThread, Self::Sigterm, Self::Sigint, Self::Abort, Self::Kill];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Return => "`main` returns",
            Self::RuntimeFirst => "`main` returns, a Tokio runtime was dropped before the guard",
            Self::AsyncMain => "`main` returns, the guard was held by an async block",
            Self::Leaked => "`main` returns, the guard was leaked",
            Self::Static => "`main` returns, the guard is in a `static`",
            Self::PanicInMain => "panic in `main`",
            Self::PanicInThread => "panic in a thread",
            Self::PanicInPanic => "panic while panicking",
            Self::Exit => "`exit` in `main`",
            Self::ExitInThread => "`exit` in a thread",
            Self::Sigterm => "SIGTERM",
            Self::Sigint => "SIGINT",
            Self::SigtermUnasked => "SIGTERM, not asked for",
            Self::Abort => "`abort`",
            Self::OutOfMemory => "out of memory",
            Self::Kill => "`kill -9`",
        }
    }

    pub(crate) fn seen(self) -> Seen {
        match self {
            Self::Return | Self::RuntimeFirst | Self::AsyncMain => Seen::Code(0),
            Self::Leaked | Self::Static | Self::PanicInThread => Seen::Code(0),
            Self::PanicInMain => Seen::Code(101),
            Self::Exit | Self::ExitInThread => Seen::Code(CODE),
            Self::PanicInPanic | Self::Abort | Self::OutOfMemory => Seen::Signal(SIGABRT),
            Self::Sigterm | Self::SigtermUnasked => Seen::Signal(SIGTERM),
            Self::Sigint => Seen::Signal(SIGINT),
            Self::Kill => Seen::Signal(SIGKILL),
        }
    }

    /// The signal that the parent sends.
    pub(crate) fn signal(self) -> Option<i32> {
        match self.seen() {
            Seen::Signal(signal) if signal != SIGABRT => Some(signal),
            _ => None,
        }
    }

    /// Whether anything of ours runs on this way out, so that what is in memory is written.
    pub(crate) fn ends_well(self) -> bool {
        !matches!(self, Self::SigtermUnasked | Self::Abort | Self::OutOfMemory | Self::Kill)
    }

    /// Whether the writers' tasks are over before.
    pub(crate) fn lets_tasks_end(self) -> bool {
        use Way::*;
        matches!(self, Return | RuntimeFirst | AsyncMain | Leaked | Static | PanicInThread)
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => f.write_str(signal_hook::low_level::signal_name(*signal).unwrap_or("a signal")),
        }
    }
}
