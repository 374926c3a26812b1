//! How much of a parcel is there already: one that is tried again, also cut otherwise, goes on behind that.

use std::collections::HashMap;
use std::ops::Range;

use spanlake_core::segment::{Decoded, merge};
use spanlake_core::{Record, Source};
use spanlake_wire::exchange::Stream;

use crate::transport::Parcel;

/// How many records of each segment the other side has, or will never take. Records of a segment are sent in its order.
#[derive(Debug, Default)]
pub(super) struct Progress(HashMap<(Stream, u64), usize>);

/// The records of a parcel that are to be sent, by time.
pub(super) struct Left<'a> {
    pub(super) records: Vec<Record<'a>>,
    /// The number of each one's segment.
    numbers: Vec<u64>,
}

impl Progress {
    /// The records that fit, of segments with these numbers, but for those that are there.
    pub(super) fn left<'a>(
        &self,
        stream: &Stream,
        segments: &'a [Decoded<'a>],
        numbers: &[u64],
        fits: fn(&Record<'_>) -> bool,
    ) -> Left<'a> {
        let there = |number: u64| self.0.get(&(stream.clone(), number)).copied().unwrap_or_default();
        // A record borrows its source from its segment, by which that one is known.
        let source = |segment: &'a Decoded<'a>| std::ptr::from_ref::<Source>(segment.source());
        let known = segments.iter().map(source).zip(numbers.iter().map(|number| (*number, there(*number))));
        let mut known: HashMap<_, _> = known.collect();
        let mut left = Left { records: Vec::new(), numbers: Vec::new() };
        for record in merge(segments).filter(|record| fits(record)) {
            match known.get_mut(&std::ptr::from_ref(record.source)) {
                Some((_, there)) if *there > 0 => *there -= 1,
                Some((number, _)) => {
                    left.numbers.push(*number);
                    left.records.push(record);
                }
                None => {}
            }
        }
        left
    }

    /// These are there.
    pub(super) fn add(&mut self, stream: &Stream, left: &Left<'_>, these: Range<usize>) {
        for run in left.numbers.get(these).unwrap_or_default().chunk_by(|one, next| one == next) {
            let number = run.first().copied().unwrap_or_default();
            *self.0.entry((stream.clone(), number)).or_default() += run.len();
        }
    }

    /// All of a parcel is there; what comes before it will not be asked for again.
    pub(super) fn settle(&mut self, parcel: &Parcel<'_>) {
        let is_over = |number: u64| number < parcel.sequence() || parcel.segments().any(|(over, _)| over == number);
        self.0.retain(|(stream, number), _| stream != parcel.stream() || !is_over(*number));
    }
}
