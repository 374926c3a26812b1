//! What spanlake sends in another system's format is the same record when spanlake reads it again.

use proptest::prelude::*;
use spanlake_core::OwnedRecord;
use spanlake_wire::notification::{self, Extent};
use spanlake_wire::scoped::{self, System};
use spanlake_wire::{ForeignRecord, segments};

use crate::script::{owned, owned_of, records, with_records};

/// What comes of records that are sent one by one, each as `frames`.
fn through(
    records: &[ForeignRecord],
    mut trip: impl FnMut(&spanlake_core::Record<'_>) -> ForeignRecord,
) -> Vec<OwnedRecord> {
    let read: Vec<_> = with_records(records, |records| records.iter().map(&mut trip).collect());
    owned_of(&segments(&read))
}

proptest! {
    #[test]
    fn segments_hold_what_foreign_records_say(records in records(true)) {
        let again = with_records(&records, |records| records.iter().map(OwnedRecord::from).collect::<Vec<_>>());
        prop_assert_eq!(again.len(), records.len());
    }

    #[test]
    fn scoped(records in records(false)) {
        let read = with_records(&records, |records| {
            let (mut reader, mut writer) = (scoped::Reader::new(), scoped::Writer::new(System::Test));
            let again = |record| {
                let (topic, json) = writer.write(record);
                let mut read = reader.read(&[topic, json], 0).unwrap();
                assert_eq!(read.fields.pop().unwrap().value.to_string(), "test");
                read
            };
            records.iter().map(again).collect::<Vec<_>>()
        });
        prop_assert_eq!(owned(&read), owned(&records));
    }

    #[test]
    fn notifications(records in records(true)) {
        let again = through(&records, |record| {
            let (topic, cbor) = notification::encode(record, Extent::Record);
            notification::read(&[topic.as_bytes(), &cbor], 1 << 20, 0).unwrap()
        });
        prop_assert_eq!(again, owned(&records));
    }
}

#[cfg(feature = "otlp")]
mod otlp {
    use proptest::prelude::*;
    use prost::Message as _;
    use spanlake_core::{Detail, Kind};
    use spanlake_wire::otlp::{Beside, Limits, logs, read_logs, read_traces, traces};

    use super::*;

    proptest! {
        #[test]
        fn as_logs(records in records(true)) {
            let body = with_records(&records, |records| logs(records).encode_to_vec());
            let again = read_logs(&body, &Limits::default(), 0).unwrap();
            prop_assert_eq!(owned(&again), owned(&records));
            let tasks = |records: &[ForeignRecord]| with_records(records, |records| {
                let tasks = records.iter().map(|record| record.task.as_deref().map(|task| (task.started_ns, task.foreign_parent)));
                tasks.collect::<Vec<_>>()
            });
            prop_assert_eq!(tasks(&again), tasks(&records));
            let timed = |records: &[ForeignRecord]| {
                let places = records.iter().filter_map(|record| record.place.as_ref());
                places.filter(|place| place.timed).count()
            };
            prop_assert_eq!(timed(&again), timed(&records));
        }

        #[test]
        fn ends_as_spans_alone(records in records(true)) {
            let body = with_records(&records, |records| traces(records, Beside::Nothing).encode_to_vec());
            let again = read_traces(&body, &Limits::default(), 0).unwrap();
            let is_end = |record: &&ForeignRecord| matches!(record.detail, Detail::End(_)) && record.task.is_some();
            // In the order in which the segments of the threads have them.
            let is_of_task = |record: &OwnedRecord| record.kind == Kind::End && record.key.is_some();
            let ends: Vec<_> = owned(&records).into_iter().filter(is_of_task).collect();
            prop_assert_eq!(ends.len(), records.iter().filter(is_end).count());
            let read: Vec<_> = owned(&again).into_iter().filter(|record| record.kind == Kind::End).collect();
            prop_assert_eq!(read, ends);
            prop_assert_eq!(again.iter().filter(|record| record.kind == Kind::Begin).count() * 2, again.len());
        }

        #[test]
        fn spans_beside_logs_are_not_read_twice(records in records(true)) {
            let body = with_records(&records, |records| traces(records, Beside::Logs).encode_to_vec());
            prop_assert_eq!(read_traces(&body, &Limits::default(), 0).unwrap().len(), 0);
        }
    }
}
