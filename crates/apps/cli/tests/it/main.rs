//! The command as it is run: what it prints, where, and how it ends.

mod lake;
mod args;
mod tree;
mod cat;
mod follow;
mod ends;
mod hostile;
mod killed;
mod spool;
mod recover;
mod jobs;
mod terminal;
mod runs;
mod runs_diff;
mod closing;
mod config;
#[cfg(feature = "s3")]
mod bucket;
