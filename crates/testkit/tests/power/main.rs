//! Power cuts and failing disks, with the spool on: what is promised holds whatever the disk does.

/// A thread that records.
mod hand;

/// A process on a fake disk, and what it promised.
mod process;

/// What processes do.
mod scripts;

/// What is in a lake.
mod lake;

/// What must be in it.
mod oracle;

/// The power goes at any moment.
mod cuts;

/// The power goes during a recovery.
mod recoveries;

/// The disk fails during a recovery.
mod failed_recoveries;

/// The disk fails during a run.
mod faults;

/// A sink is stuck.
mod stuck;

/// A spool goes to quarantine.
mod quarantine;
