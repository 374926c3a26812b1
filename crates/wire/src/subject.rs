//! The subjects of NATS under which publishers and collectors meet.

use crate::exchange::escaped;

/// The stream that segments go to, unless another one is named.
pub const STREAM: &str = "SPANLAKE";

/// Segments go to this subject and, behind a dot, the service's name.
pub const SEGMENTS: &str = "spanlake.segments";

/// The stream with the levels that services are asked for: the last message of each subject.
pub const VERBOSITY_STREAM: &str = "SPANLAKE_VERBOSITY";

/// [`Asked`](crate::asked::Asked) in JSON is at this subject and, behind a dot, the service's name.
pub const VERBOSITY: &str = "spanlake.verbosity";

/// The header by which JetStream knows what it has already.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";

/// The subject of a service: its name is one word between dots, whatever it is.
pub fn of_service(subject: &str, service: &str) -> String {
    match escaped(service).replace('.', "%2E") {
        word if word.is_empty() => format!("{subject}._"),
        word => format!("{subject}.{word}"),
    }
}
