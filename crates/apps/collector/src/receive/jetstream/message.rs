//! A message: what its headers say, and the one segment in it.

use async_nats::jetstream::Message;
use spanlake_wire::batch::Batch;
use spanlake_wire::exchange;

use crate::intake::{Reason, look_at};

/// What a message brings.
pub(super) struct Parcel {
    pub(super) sequence: u64,
    pub(super) service: String,
    pub(super) segment: Vec<u8>,
}

/// Reads a message, whose segment may have so many bytes. One that cannot be read will never be.
pub(super) fn read(message: &Message, most_bytes: usize) -> Result<Parcel, Reason> {
    let sequence = message.info().map_err(|_| Reason::Malformed)?.stream_sequence;
    let header = message.headers.as_ref().and_then(|headers| headers.get(exchange::SERVICE));
    let service = exchange::unescaped(header.map_or("", |service| service.as_str())).ok_or(Reason::Malformed)?;
    let batch = Batch::read(&message.payload, most_bytes).map_err(|error| Reason::of_batch(&error))?;
    let mut entries = batch.entries();
    let (Some(entry), None) = (entries.next(), entries.next()) else {
        return Err(Reason::Malformed);
    };
    look_at(entry.segment)?;
    Ok(Parcel { sequence, service, segment: entry.segment.to_vec() })
}
