//! What is done to records before they are stored: redaction, the flight recorder, folding of repeats.

use std::time::Duration;

use spanlake_core::LevelFilter;

use crate::setting::Entries;
use crate::table::table;
use crate::units::Size;

table! {
    /// What is replaced before a record is stored anywhere. A name may have `*` in it.
    pub struct Redact {
        /// Whether fields are replaced whose names are those of secrets: `password`, `token` and so on.
        pub secrets: bool = false,
        /// Whether texts are looked through for what looks like a secret.
        pub secret_texts: bool = false,
        /// Whether numbers of cards are replaced in texts.
        pub card_numbers: bool = false,
        /// Names that stay, whatever the others say.
        pub allow: Vec<String>,
        /// Names whose values are replaced.
        pub deny: Vec<String>,
        /// Names whose values become hashes.
        pub hash: Vec<String>,
        /// Names whose values are cut, and behind which size.
        pub truncate: Entries<Size>,
        /// Regular expressions; what matches in texts is replaced.
        pub patterns: Vec<String>,
    }
}

table! {
    /// Holds records of a task back in memory, and writes them when it fails.
    pub struct FlightRecorder {
        /// Most bytes held back.
        pub capacity: Size = "64 MiB",
        /// The least verbose level that is held back; what is more severe is written at once.
        pub level: LevelFilter = "DEBUG",
        /// A task that takes longer is written as if it had failed.
        pub slow: Option<Duration>,
    }
}

table! {
    /// Makes one record of many that come from one place in one task.
    pub struct FoldRepeats {
        /// The longest that repeats are counted before it is told how many there were.
        pub within: Duration = "10 s",
    }
}
