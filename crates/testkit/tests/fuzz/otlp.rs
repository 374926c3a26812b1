//! Any bytes as a request with logs, and as one with spans: a reason, or records that make the round trip.

use prost::Message as _;
use spanlake_core::Kind;
use spanlake_wire::otlp::{Beside, Limits, logs, read_logs, read_traces, traces};

use super::trip::{self, NOW_NS};

/// As many as the fuzzer reaches.
const LIMITS: Limits = Limits { bytes: 1 << 16, parts: 1 << 10 };

const WIDE: Limits = Limits { bytes: usize::MAX, parts: usize::MAX };

pub(crate) fn check(bytes: &[u8]) {
    let read = [read_logs(bytes, &LIMITS, NOW_NS), read_traces(bytes, &LIMITS, NOW_NS)];
    for records in read.into_iter().flatten() {
        trip::check(&records, |records| {
            let spans = traces(records, Beside::Logs).encode_to_vec();
            assert_eq!(read_traces(&spans, &WIDE, NOW_NS).expect("what was just written").len(), 0);
            let spans = traces(records, Beside::Nothing).encode_to_vec();
            let ends = records.iter().filter(|record| record.kind == Kind::End && record.task.is_some()).count();
            assert_eq!(read_traces(&spans, &WIDE, NOW_NS).expect("what was just written").len(), 2 * ends);
            let body = logs(records).encode_to_vec();
            read_logs(&body, &WIDE, NOW_NS).expect("what was just written")
        });
    }
}
