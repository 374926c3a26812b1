//! ZeroMQ: scoped tasks or segments that are pushed to who pulls, and notifications for who subscribes.
//!
//! ZeroMQ acknowledges nothing. The library that speaks it in Rust takes messages into a queue of its own, of which nobody learns
//! when it is written; here a message counts as sent when the system's socket has it, and what does not fit there waits in the buffer.

mod publish;
mod push;

pub use publish::{ZmqPublisher, ZmqPublisherBuilder};
pub use push::{ZmqTransport, ZmqTransportBuilder};

use std::num::NonZeroUsize;

/// Default of the longest message: what receivers of spanlake take.
const DEFAULT_MESSAGE_BYTES: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();
