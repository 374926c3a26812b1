//! What happens when the buffer is full.

use std::time::Duration;

/// What happens to a record that finds the buffer full. Whatever is dropped is counted and stated in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// The caller waits until there is room, at most this long; then the record is dropped. The only policy under
    /// which spanlake ever blocks a thread of the program.
    Block(Duration),
    /// The new record is dropped.
    DropNewest,
    /// The oldest events are dropped.
    DropOldest,
    /// Events less severe than the new record are dropped, least severe first, oldest first among equals; when there
    /// are none, the new record is. The default: what explains a failure outlives what merely led up to it.
    #[default]
    DropLowest,
}
