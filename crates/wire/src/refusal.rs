//! Why a message from elsewhere was not taken, by a name to count it under.

use std::fmt;

/// Why a message was refused. It is counted by this, and says nothing of what the message held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// It has not as many frames as its format.
    Frames,
    /// Its topic is none of the format's.
    Topic,
    /// It is a pickle, which is code and is not looked at.
    Pickle,
    /// It is longer than was allowed.
    TooLong,
    /// It nests deeper than was allowed.
    TooDeep,
    /// It has more parts than was allowed.
    TooMany,
    /// It is cut short, or not of the encoding that its topic names.
    Malformed,
    /// It is well encoded, and no record.
    Shape,
}

impl Refusal {
    /// All of them, in the order of their numbers as `as usize`.
    pub const ALL: [Refusal; 8] = [
        Refusal::Frames,
        Refusal::Topic,
        Refusal::Pickle,
        Refusal::TooLong,
        Refusal::TooDeep,
        Refusal::TooMany,
        Refusal::Malformed,
        Refusal::Shape,
    ];

    /// The word to count it under.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Frames => "frames",
            Refusal::Topic => "topic",
            Refusal::Pickle => "pickle",
            Refusal::TooLong => "too_long",
            Refusal::TooDeep => "too_deep",
            Refusal::TooMany => "too_many",
            Refusal::Malformed => "malformed",
            Refusal::Shape => "shape",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::error::Error for Refusal {}
