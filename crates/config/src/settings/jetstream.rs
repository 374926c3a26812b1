//! The settings of a collector's receiver of JetStream.

use std::num::NonZeroU32;
use std::time::Duration;

use super::collector::ClientSide;
use crate::table::table;
use crate::units::Size;

table! {
    /// A stream of NATS JetStream with segments.
    pub struct JetstreamReceiver {
        /// The server, such as `nats://127.0.0.1:4222` or `tls://nats.internal`, without a user.
        pub url: String,
        /// What the collector shows the server, and whom it trusts.
        pub client: ClientSide,
        /// A file with a user's JWT and key, as `nsc` writes it.
        pub credentials: Option<String>,
        /// The stream, which publishers make.
        pub stream: String = "SPANLAKE",
        /// The durable consumer, which is made where there is none.
        pub consumer: String = "spanlaked",
        /// Which messages of the stream.
        pub subject: String = "spanlake.segments.>",
        /// Most messages that are fetched at once.
        pub batch: NonZeroU32 = 128_i128,
        /// Most bytes of messages that are fetched at once, if they are more than one.
        pub batch_bytes: Size = "8 MiB",
        /// How long the server waits for an acknowledgement before it gives a message to another collector; when the consumer is
        /// made.
        pub ack_wait: Duration = "30 s",
        /// Most messages that wait for an acknowledgement, of all collectors together; when the consumer is made.
        pub in_flight: NonZeroU32 = 4096_i128,
        /// Whether levels that services are asked for are told to senders by this server.
        pub levels: bool = true,
    }
}
