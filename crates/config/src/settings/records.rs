//! What is done to records before they are stored: redaction, the flight recorder, folding of repeats.

use std::num::NonZeroU64;
use std::time::Duration;

use spanlake_core::LevelFilter;

use super::Expression;
use crate::setting::{Entries, Scalar};
use crate::table::{table, words};
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
        pub patterns: Vec<Expression>,
    }
}

table! {
    /// Holds what is verbose back in memory, and writes it when something is wrong with its task.
    pub struct FlightRecorder {
        /// Events of this level and more verbose ones are held back.
        pub hold: HeldLevel = "DEBUG",
        /// A task's detail is written when it says something at this level or above; `OFF` for never.
        pub trigger_level: LevelFilter = "WARN",
        /// A task that takes so long or longer is written as well.
        pub slow: Option<Duration>,
        /// A task that says a record with one of these values in its field is written as well.
        pub trigger_fields: Entries<Scalar>,
        /// Most bytes held of one task.
        pub per_task: Size = "256 KiB",
        /// Most bytes held in all.
        pub capacity: Size = "16 MiB",
    }
}

words! {
    /// A level that can be held back.
    pub enum HeldLevel {
        /// Everything but errors and warnings.
        "INFO" => Info,
        /// What explains.
        "DEBUG" => Debug,
        /// The finest detail only.
        "TRACE" => Trace,
    }
}

table! {
    /// Makes a count of events that come from one place in one task over and over.
    pub struct FoldRepeats {
        /// How many pass before others are left out.
        pub first: NonZeroU64 = 5_i128,
        /// For how long a count goes on.
        pub every: Duration = "10 s",
        /// Whether errors are left out as well.
        pub fold_errors: bool = false,
    }
}
