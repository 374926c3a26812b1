//! Behaviour of the core: keys, values, segments, renderings, the buffer and the pump.

/// What the modules share: records made by hand, and sinks that remember.
mod support;

/// A disk that a test can hold up or fill where files are mapped.
mod asking_disk;

/// Task and record keys print, parse, sort and refuse as documented.
mod key;

/// Errors have a code for machines, a message for people and a chain that prints once.
mod error;

/// Directives of verbosity as text, there and back.
mod directive;

/// Values keep their type through a body; what is too long is cut and says so.
mod value;

/// Secrets are three stars wherever they are shown.
mod secret;

/// Segments are read back as they were written, alone, also when they are cut or damaged.
mod segment;

/// Files with numbers in them that nobody has ever counted.
mod hostile;

/// Bytes that were released once open for ever.
mod golden;

/// Records as JSON lines: every key, in order, whatever the values hold.
mod json;

/// Records as lines for people: one record, one line, then its causes.
mod text;

/// The same story in every rendering, and what all renderings promise.
mod renderers;

/// Each processor does what it says, and leaves alone what it need not touch.
mod processors;

/// Moments as UTC text.
mod time;

/// The clock's UTC follows the machine, its durations do not.
mod clock;

/// What a full buffer does, and what it says about it.
mod buffer;

/// A buffer whose pages are files: what stands in them, and what is left when the process is gone.
mod spool;

/// Random use of small buffers: nothing unaccounted, no end missing, no bound passed.
mod random;

/// The pump drains, processes, writes, retries, flushes and stops within its deadlines.
mod pump;

/// The queue from the thread that records to the sink, by each policy.
mod queue;

/// What belongs to one sink alone: its level, processors, fallback and backlog.
mod pipes;

/// Which records go to which sinks, and what is counted when a part of the way breaks.
mod routing;

/// Processors that keep records and give them on later, wherever they stand.
mod holding;

/// Another plan for a pump that runs: no record is lost, doubled, or handled by a mixture.
mod reconfigure;

/// The operating system's disk does what the seam says.
mod disk;
